"""The table of backends: one file each, loaded on first use."""

from .base import Backend, BackendUnavailable
from .mmcv_backend import MMCV
from .numba_backend import NUMBA
from .pointnet2_backend import POINTNET2
from .torch_backend import TORCH
from .triton_backend import TRITON

BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (TRITON, POINTNET2, MMCV, NUMBA, TORCH)
}
#: the automatic choice takes the first that supports the tensor's device and type
ORDER: tuple[str, ...] = ('triton', 'pointnet2_ops', 'mmcv', 'numba', 'torch')

__all__ = ['BACKENDS', 'ORDER', 'Backend', 'BackendUnavailable']
