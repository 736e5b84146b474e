"""What a pre-trained PointCPSC makes of every frame: superpoints, prototypes, neighbours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from mmpointvideo.models.layers.interpolation import inverse_distance_weights
from mmpointvideo.models.selfsup import PointCPSC
from mmpointvideo.ops import three_nn

from .clip_pipeline import ClipPipeline
from .init_model import init_model
from .videos import Video, open_video


class Superpoints(NamedTuple):
    """Superpoints of some frames of a video.

    Attributes:
        frames: ``(F,)`` numbers of the frames.
        xyz: ``(F, r, 3)`` positions, in the data set's unit.
        encoded: ``(F, r, C)`` the encoder's features.
        tokens: ``(F, r, c)`` projected and L2-normalised: what the losses compare.
    """

    frames: np.ndarray
    xyz: Tensor
    encoded: Tensor
    tokens: Tensor


def init_pretraining(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    device: str | torch.device | None = None,
    need: str = '',
) -> PointCPSC:
    """Build a model of pre-training for inference.

    Args:
        config: As of :func:`init_model`.
        checkpoint: As of :func:`init_model`.
        device: As of :func:`init_model`.
        need: As of :func:`check_pretraining`.

    Raises:
        FileNotFoundError: If the config or checkpoint does not exist.
        ValueError: If the config or checkpoint is of another model, or lacks what is needed.
    """
    model = init_model(config, checkpoint, device)
    if not isinstance(model, PointCPSC):
        raise ValueError(
            f'expected the config of a PointCPSC, got that of a {type(model).__name__}: give the '
            'config and checkpoint of a pre-training run'
        )
    return check_pretraining(model, need)


def check_pretraining(model: Any, need: str = '') -> PointCPSC:
    """A model of pre-training that has what is needed.

    Args:
        model: Any model.
        need: ``'cluster_head'`` or ``'memory_bank'``, if one is needed.

    Raises:
        TypeError: If it is no PointCPSC.
        ValueError: If the part is missing or the bank empty.
    """
    if not isinstance(model, PointCPSC):
        raise TypeError(
            f'expected a PointCPSC, got {type(model).__name__}: give the config and checkpoint of '
            'a pre-training run'
        )
    if need and getattr(model, need, None) is None:
        raise ValueError(
            f"this PointCPSC has no {need}: use a config with the paper's settings, such as "
            'pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_builtin-actions'
        )
    bank = model.memory_bank
    if need == 'memory_bank' and bank is not None and not bank.num_valid:
        raise ValueError('the memory bank is empty: give a checkpoint of a pre-training run')
    return model


@torch.no_grad()
def encode_superpoints(
    model: PointCPSC,
    video: Any,
    frames: Sequence[int] | None = None,
    pipeline: ClipPipeline | None = None,
    batch_size: int = 32,
) -> Superpoints:
    """Encode the segment that begins at each frame, as the targets of pre-training are.

    A superpoint lies where the encoder put it, in the segment's first frame. Beyond the video's
    end its last frame is repeated.

    Args:
        model: A PointCPSC; it is used in the mode it is in.
        video: Anything that ``open_video`` opens.
        frames: Which frames; all by default.
        pipeline: The config's, where it is at hand.
        batch_size: Segments at a time.

    Raises:
        TypeError, ValueError, FileNotFoundError: If model or video cannot be used.
    """
    check_pretraining(model)
    source = open_video(video)
    pipeline = pipeline or ClipPipeline(model.cfg)
    chosen = np.arange(source.num_frames) if frames is None else np.asarray(frames, np.int64)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for begin in range(0, len(chosen), batch_size):
        inds = chosen[begin : begin + batch_size].tolist()
        xyz, encoded, tokens = encode_segments(
            model, [pack_segment(model, pipeline, source, frame) for frame in inds]
        )
        parts.append((xyz / pipeline.scale, encoded, tokens))
    joined = [torch.cat(part) for part in zip(*parts, strict=True)]
    return Superpoints(chosen, *joined)


def pack_segment(
    model: PointCPSC, pipeline: ClipPipeline, video: Video, frame: int
) -> dict[str, Any]:
    """The segment that begins at a frame, packed for the model.

    Raises:
        ValueError: If the config does not say how long a segment is.
    """
    segments = pipeline.num_segments or model.num_segments
    if not segments:
        raise ValueError('the config does not say into how many segments a clip is split')
    length = pipeline.num_frames // segments
    inds = frame + pipeline.frame_interval * np.arange(length)
    inds = np.minimum(inds, video.num_frames - 1)
    center = None
    if pipeline.is_scene:
        cloud = video.read([frame], ()).xyz
        known = video.centers
        center = cloud.mean(axis=0, dtype=np.float64) if known is None else known[frame]
    return pipeline.pack(video, inds, frame, None, center)


@torch.no_grad()
def encode_segments(model: Any, packed: Sequence[dict]) -> tuple[Tensor, Tensor, Tensor]:
    """Superpoints of the first frames of some segments.

    Args:
        model: A PointCPSC; it is used in the mode it is in.
        packed: B segments from :func:`pack_segment`.

    Returns:
        Positions ``(B, r, 3)`` as the network sees them, the encoder's features ``(B, r, C)`` and
        normalised tokens ``(B, r, c)``, on the CPU.
    """
    data = {key: [item[key] for item in packed] for key in ('inputs', 'data_samples')}
    inputs = model.data_preprocessor(data, False)['inputs']
    xyz, encoded = model.encoder(inputs['xyz'], inputs.get('features'))
    encoded = encoded.transpose(2, 3)
    tokens = F.normalize(model.projector(encoded).float(), dim=-1)
    return xyz[:, 0].cpu(), encoded[:, 0].float().cpu(), tokens[:, 0].cpu()


def spread_to_points(points: np.ndarray, xyz: Tensor, values: Tensor) -> Tensor:
    """Carry values of superpoints to the points of their frame.

    Inverse-distance weights over the three nearest superpoints.

    Args:
        points: ``(n, 3)``, in the unit of ``xyz``.
        xyz: ``(r, 3)`` superpoints.
        values: ``(r, k)``.

    Returns:
        ``(n, k)``.
    """
    idx, weight = nearest_superpoints(points, xyz)
    return (values.float()[idx] * weight[..., None]).sum(dim=1)


def nearest_superpoints(points: np.ndarray, xyz: Tensor) -> tuple[Tensor, Tensor]:
    """The three nearest superpoints of every point, and their normalised inverse distances.

    Args:
        points: ``(n, 3)``, in the unit of ``xyz``.
        xyz: ``(r, 3)`` superpoints.

    Returns:
        ``(n, 3)`` int64 and ``(n, 3)`` float32.
    """
    if not len(points):
        return torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3)
    origin = xyz.mean(dim=0)  # float32 is finer near 0
    target = torch.from_numpy(np.ascontiguousarray(points, np.float32)) - origin
    dist, idx = three_nn(target[None], (xyz - origin)[None])
    return idx[0].long(), inverse_distance_weights(dist[0])


def prototype_shares(model: PointCPSC, superpoints: Superpoints) -> Tensor:
    """Soft assignments of superpoints to the target prototypes, ``(F, r, k)`` (Eq. 5).

    Raises:
        ValueError: If the model has no prototypes.
    """
    head: Any = check_pretraining(model, 'cluster_head').cluster_head
    device = head.target_prototypes.device
    with torch.no_grad():
        return head.target_logits(superpoints.tokens.to(device)).softmax(dim=-1).cpu()


def point_prototypes(
    model: PointCPSC,
    video: Any,
    frames: Sequence[int] | None = None,
    pipeline: ClipPipeline | None = None,
) -> list[np.ndarray]:
    """The prototype of every raw point, per frame ``(n_t,)`` int64.

    Args:
        model: A PointCPSC with prototypes.
        video: Anything that ``open_video`` opens.
        frames: Which frames; all by default.
        pipeline: The config's, where it is at hand.
    """
    source: Video = open_video(video)
    found = encode_superpoints(model, source, frames, pipeline)
    shares = prototype_shares(model, found)
    labels = []
    for frame, xyz, share in zip(found.frames.tolist(), found.xyz, shares, strict=True):
        points = source.read([frame], ()).xyz
        labels.append(spread_to_points(points, xyz, share).argmax(dim=1).numpy())
    return labels


def merge_prototypes(
    similarity: np.ndarray, groups: int, used: np.ndarray | None = None
) -> np.ndarray:
    """Merge prototypes of the same meaning: average linkage until so many groups are left.

    Args:
        similarity: ``(k, k)`` between prototypes.
        groups: Groups wanted; fewer where fewer prototypes are in use.
        used: ``(k,)`` bool, which prototypes are in use; the others join the group of the most
            similar one that is. By default all.

    Returns:
        ``(k,)`` int64, the group of each prototype, numbered by their first members.

    Raises:
        ValueError: If the sizes do not fit.
    """
    k = len(similarity)
    alive = np.arange(k) if used is None else np.flatnonzero(used)
    if not 1 <= groups <= k or not len(alive) or similarity.shape != (k, k):
        raise ValueError(f'groups: expected 1..{k} of prototypes in use, got {groups}')
    members = [[int(i)] for i in alive]
    while len(members) > groups:
        pairs = [(i, j) for i in range(len(members)) for j in range(i + 1, len(members))]
        i, j = max(pairs, key=lambda p: similarity[np.ix_(members[p[0]], members[p[1]])].mean())
        members[i] += members.pop(j)
    out = np.full(k, -1, np.int64)
    for number, group in enumerate(sorted(members, key=min)):
        out[group] = number
    for index in np.flatnonzero(out < 0):
        out[index] = out[alive[similarity[index, alive].argmax()]]
    return out
