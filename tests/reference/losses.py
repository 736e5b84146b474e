"""Slow, literal transcriptions of the paper's equations, one superpoint at a time."""

import torch
from torch import Tensor


def point_contrast(
    prediction: Tensor,
    target: Tensor,
    bank: Tensor,
    *,
    temperature: float,
    negative_ratio: float,
    num_neighbors: int,
    weighting: str,
    anchor: str,
    exclude: Tensor | None = None,
    in_batch_negatives: bool = False,
) -> Tensor:
    """Eqs. 1-4 with plain exponentials: only for temperatures at which these are finite."""
    unit = torch.nn.functional.normalize
    prediction, target, bank = unit(prediction, dim=1), unit(target, dim=1), unit(bank, dim=1)
    losses = []
    for i, (q, z) in enumerate(zip(prediction, target, strict=True)):
        allowed = [s for s in range(len(bank)) if exclude is None or not exclude[i, s]]
        order = sorted(allowed, key=lambda s: float(bank[s] @ z), reverse=True)
        neighbors = order[:num_neighbors]
        count = int(len(allowed) * negative_ratio + 1e-6)
        rest = order[len(neighbors) :]
        negatives = rest[max(0, len(rest) - count) :]

        side = q if anchor == 'prediction' else z
        similarities = [float(bank[s] @ z) for s in neighbors]
        if weighting == 'add_positives':
            weights = [1.0] + [1.0] * len(neighbors)
        elif weighting == 'feature_weighted':
            near = torch.stack([bank[s] @ z for s in neighbors]) if similarities else z[:0]
            weights = [1.0, *torch.softmax(near, dim=0)]
        else:
            weights = list(
                torch.softmax(torch.stack([q @ z, *[bank[s] @ z for s in neighbors]]), 0)
            )
        numerator = weights[0] * torch.exp(q @ z / temperature)
        for weight, s in zip(weights[1:], neighbors, strict=True):
            numerator = numerator + weight * torch.exp(side @ bank[s] / temperature)
        denominator = numerator
        for s in negatives:
            denominator = denominator + torch.exp(side @ bank[s] / temperature)
        if in_batch_negatives or len(bank) == 0:
            for j in range(len(target)):
                if j != i:
                    denominator = denominator + torch.exp(side @ target[j] / temperature)
        losses.append(-torch.log(numerator / denominator))
    return torch.stack(losses).mean()


def updated_prototypes(embeddings: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Eqs. 5 and 6 for one clip: ``(S, c)``, ``(k, c)`` to ``(k, c)``, not normalised."""
    assignment = torch.softmax(embeddings @ prototypes.T / temperature, dim=1)
    rows = []
    for i in range(len(prototypes)):
        total = sum(assignment[s, i] * embeddings[s] for s in range(len(embeddings)))
        rows.append(total / assignment[:, i].sum())
    return torch.stack(rows)


def prototype_contrast(prediction: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Eq. 7 over ``(B, k, c)``: negatives are all other predicted prototypes of the batch."""
    unit = torch.nn.functional.normalize
    keys = unit(prediction, dim=2).reshape(-1, prediction.shape[2])
    anchors = unit(target, dim=2).reshape(-1, target.shape[2])
    losses = []
    for i, anchor in enumerate(anchors):
        terms = [torch.exp(anchor @ key / temperature) for key in keys]
        losses.append(-torch.log(terms[i] / sum(terms)))
    return torch.stack(losses).mean()


def assignment_divergence(prediction: Tensor, target: Tensor) -> Tensor:
    """Eq. 8 over probabilities ``(S, k)``, mean over superpoints."""
    rows = []
    for p, t in zip(prediction, target, strict=True):
        rows.append(sum(p[i] * (torch.log(p[i]) - torch.log(t[i])) for i in range(len(p))))
    return torch.stack(rows).mean()
