"""The memory of past target embeddings."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.ops.checks import check_count
from mmpointvideo.registry import MODELS
from mmpointvideo.utils.dist import gather_rows


class Provenance(NamedTuple):
    """Where embeddings come from.

    Attributes:
        video: ``(n,)`` int64, index of the video in the data set's annotation file.
        frame: ``(n,)`` int64, index of the frame in that video.
        position: ``(n, 3)`` float32, the superpoint's position as the network saw it.
    """

    video: Tensor
    frame: Tensor
    position: Tensor


@MODELS.register_module()
class MemoryBank(nn.Module):
    """Ring buffer of the S latest target embeddings (PointCPSC, Section 3.1).

    Everything is a buffer: the bank moves with the model and is saved and resumed with it. On
    several processes every rank enqueues the embeddings of all ranks in rank order and so holds
    the same bank. The subset that an update takes is drawn from a generator that is seeded by
    the number of updates so far: no hidden state, a resumed run draws the same.

    Args:
        size: Number of entries S.
        channels: Width c of an embedding.
        enqueue_per_iter: Embeddings taken from one batch; all of them when the batch has fewer.
        seed: Seed of the subset's draw.
    """

    features: Tensor
    video: Tensor
    frame: Tensor
    position: Tensor
    pointer: Tensor
    filled: Tensor
    num_updates: Tensor

    def __init__(
        self, size: int, channels: int, enqueue_per_iter: int = 256, seed: int = 0
    ) -> None:
        super().__init__()
        for name, value in (
            ('size', size),
            ('channels', channels),
            ('enqueue_per_iter', enqueue_per_iter),
        ):
            check_count(f'MemoryBank: {name}', value, 1)
        self.size = size
        self.channels = channels
        self.enqueue_per_iter = enqueue_per_iter
        self.seed = seed
        self.register_buffer('features', torch.zeros(size, channels))
        self.register_buffer('video', torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer('frame', torch.full((size,), -1, dtype=torch.int64))
        self.register_buffer('position', torch.zeros(size, 3))
        self.register_buffer('pointer', torch.zeros((), dtype=torch.int64))
        self.register_buffer('filled', torch.zeros((), dtype=torch.int64))
        self.register_buffer('num_updates', torch.zeros((), dtype=torch.int64))

    @property
    def num_valid(self) -> int:
        """Number of entries that hold an embedding; they are the first ones."""
        return int(self.filled)

    @property
    def provenance(self) -> Provenance:
        """Where every entry comes from, in the order of ``features``."""
        return Provenance(self.video, self.frame, self.position)

    def valid_features(self) -> Tensor:
        """The filled part of the bank, ``(num_valid, c)``; a copy, which updates leave alone."""
        return self.features[: self.num_valid].clone()

    @torch.no_grad()
    def enqueue(self, features: Tensor, provenance: Provenance) -> None:
        """Store a random subset of a batch's embeddings, the oldest entries leave first.

        Args:
            features: ``(n, c)`` embeddings of this rank; they are stored L2-normalised.
            provenance: Where they come from, n entries (a ``Provenance`` or a tuple
                ``(video, frame, position)``).
        """
        provenance = Provenance(*map(torch.as_tensor, provenance))
        self._check(features, provenance)
        features, _ = gather_rows(F.normalize(features.detach().float(), dim=-1))
        video, frame, position = (gather_rows(part.to(features.device))[0] for part in provenance)
        chosen = self._draw(len(features)).to(features.device)
        count = len(chosen)
        slots = (self.pointer + torch.arange(count, device=self.features.device)) % self.size
        self.features[slots] = features[chosen].to(self.features)
        self.video[slots] = video[chosen].to(self.video)
        self.frame[slots] = frame[chosen].to(self.frame)
        self.position[slots] = position[chosen].to(self.position)
        self.pointer.copy_((self.pointer + count) % self.size)
        self.filled.copy_((self.filled + count).clamp(max=self.size))
        self.num_updates += 1

    def _draw(self, available: int) -> Tensor:
        """Indices of the embeddings that an update takes, ascending."""
        count = min(available, self.enqueue_per_iter, self.size)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.num_updates))
        return torch.randperm(available, generator=generator)[:count].sort().values

    def _check(self, features: Tensor, provenance: Provenance) -> None:
        if features.ndim != 2 or features.shape[1] != self.channels:
            raise ValueError(
                f'MemoryBank.enqueue expects features of shape (n, {self.channels}), '
                f'got {tuple(features.shape)}'
            )
        n = len(features)
        expected = ((n,), (n,), (n, 3))
        for name, part, shape in zip(Provenance._fields, provenance, expected, strict=True):
            if tuple(part.shape) != shape:
                raise ValueError(
                    f'MemoryBank.enqueue expects provenance.{name} of shape {shape}, '
                    f'got {tuple(part.shape)}'
                )

    def extra_repr(self) -> str:
        """Sizes, for ``print(model)``."""
        return (
            f'size={self.size}, channels={self.channels}, enqueue_per_iter={self.enqueue_per_iter}'
        )
