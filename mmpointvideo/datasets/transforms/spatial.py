"""Scaling and augmenting coordinates; a clip moves as one, features stay as they are."""

import math
from numbers import Real
from typing import Any

import numpy as np

from mmpointvideo.registry import TRANSFORMS

from .base import PointVideoTransform

_AXES = {'x': 0, 'y': 1, 'z': 2}


def _check_axis(axis: str) -> None:
    if axis not in _AXES:
        raise ValueError(f"axis: expected 'x', 'y' or 'z', got {axis!r}")


def _check_range(name: str, value: Any, positive: bool = False) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in value)
    except (TypeError, ValueError):
        raise ValueError(f'{name}: expected (low, high), got {value!r}') from None
    if not (math.isfinite(low) and math.isfinite(high)) or low > high or (positive and low <= 0):
        bound = '0 < low <= high' if positive else 'low <= high'
        raise ValueError(f'{name}: expected {bound}, got {value!r}')
    return low, high


class _AboutCenter(PointVideoTransform):
    """A linear map of the coordinates about the origin or the clip's centre."""

    def __init__(self, about: str) -> None:
        if about not in ('origin', 'clip'):
            raise ValueError(f"about: expected 'origin' or 'clip', got {about!r}")
        self.about = about

    def apply(self, results: dict[str, Any], matrix: np.ndarray) -> dict[str, Any]:
        """Multiply all positions by ``matrix`` ``(3, 3)``, about the chosen point."""
        xyz = results['points'][..., :3]
        center: np.ndarray | float = 0.0
        if self.about == 'clip':
            center = xyz.reshape(-1, 3).mean(axis=0, dtype=np.float64).astype(np.float32)
        xyz[:] = (xyz - center) @ matrix.T.astype(np.float32) + center
        return results


@TRANSFORMS.register_module()
class ScaleCoordinates(PointVideoTransform):
    """Multiply all coordinates by a constant.

    MSRAction-3D's depth unit is about 4 mm; the radii of the published networks refer to
    coordinates multiplied by 1/300, where a person is about 1.5 units tall.

    Args:
        factor: The constant.
    """

    def __init__(self, factor: float) -> None:
        number = isinstance(factor, Real) and not isinstance(factor, bool)
        if not (number and math.isfinite(factor) and factor > 0):
            raise ValueError(f'factor: expected a number above 0, got {factor!r}')
        self.factor = float(factor)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Scale ``points``."""
        results['points'][..., :3] *= np.float32(self.factor)
        return results


@TRANSFORMS.register_module()
class NormalizeClip(PointVideoTransform):
    """Move and scale a clip so that its longest axis fills -1..1.

    All points of all frames share the shift and the factor, so motion and proportions stay.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Normalise ``points``."""
        xyz = results['points'][..., :3]
        low, high = xyz.min(axis=(0, 1)), xyz.max(axis=(0, 1))
        extent = float((high - low).max()) / 2
        xyz -= (low + high) / 2
        if extent > 0:
            xyz /= extent
        return results


@TRANSFORMS.register_module()
class RandomScale(_AboutCenter):
    """Scale a clip by random factors, uniform in a range.

    Args:
        scale_range: Smallest and largest factor.
        anisotropic: A factor for each axis (as published), or one for all three.
        about: What stays in place: the ``'origin'`` (as published) or the middle of the
            ``'clip'``.
    """

    is_augmentation = True

    def __init__(
        self,
        scale_range: tuple[float, float] = (0.9, 1.1),
        anisotropic: bool = True,
        about: str = 'origin',
    ) -> None:
        super().__init__(about)
        self.scale_range = _check_range('scale_range', scale_range, positive=True)
        self.anisotropic = anisotropic

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Scale ``points``."""
        size = 3 if self.anisotropic else 1
        factors = self.rng(results).uniform(*self.scale_range, size=size)
        return self.apply(results, np.eye(3) * factors)


@TRANSFORMS.register_module()
class RandomRotate(_AboutCenter):
    """Turn a clip about an axis by a random angle, uniform in a range.

    Args:
        angle_range: Smallest and largest angle in radians; positive turns y to z about x, z to x
            about y, x to y about z.
        axis: ``'x'``, ``'y'`` (vertical in camera coordinates) or ``'z'``.
        about: The axis goes through the ``'origin'`` (the camera) or the middle of the
            ``'clip'``, so that the scene turns on the spot.
    """

    is_augmentation = True

    def __init__(
        self, angle_range: tuple[float, float], axis: str = 'y', about: str = 'origin'
    ) -> None:
        super().__init__(about)
        _check_axis(axis)
        self.axis = axis
        self.angle_range = _check_range('angle_range', angle_range)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn ``points``."""
        angle = self.rng(results).uniform(*self.angle_range)
        first, second = (_AXES[self.axis] + 1) % 3, (_AXES[self.axis] + 2) % 3
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = math.cos(angle)
        matrix[second, first], matrix[first, second] = math.sin(angle), -math.sin(angle)
        return self.apply(results, matrix)


@TRANSFORMS.register_module()
class RandomFlip(_AboutCenter):
    """Mirror a clip with some probability.

    Args:
        axis: The coordinate that changes its sign.
        prob: Probability.
        about: The mirror stands at the ``'origin'`` or in the middle of the ``'clip'``.
    """

    is_augmentation = True

    def __init__(self, axis: str = 'x', prob: float = 0.5, about: str = 'origin') -> None:
        super().__init__(about)
        _check_axis(axis)
        if not 0 <= prob <= 1:
            raise ValueError(f'prob: expected 0..1, got {prob!r}')
        self.axis = axis
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Mirror ``points``, or not."""
        if self.rng(results).random() >= self.prob:
            return results
        signs = np.ones(3)
        signs[_AXES[self.axis]] = -1
        return self.apply(results, np.diag(signs))


@TRANSFORMS.register_module()
class RandomJitter(PointVideoTransform):
    """Move every point by Gaussian noise of its own.

    Args:
        sigma: Standard deviation per coordinate, in the unit the coordinates have at this place
            of the pipeline.
        clip: Largest displacement per coordinate; None: no limit.
    """

    is_augmentation = True

    def __init__(self, sigma: float, clip: float | None = None) -> None:
        if not (math.isfinite(sigma) and sigma >= 0):
            raise ValueError(f'sigma: expected a number of at least 0, got {sigma!r}')
        if clip is not None and not clip > 0:
            raise ValueError(f'clip: expected a number above 0 or None, got {clip!r}')
        self.sigma = float(sigma)
        self.clip = clip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Move ``points``."""
        xyz = results['points'][..., :3]
        noise = self.rng(results).standard_normal(xyz.shape, dtype=np.float32) * self.sigma
        if self.clip is not None:
            noise = noise.clip(-self.clip, self.clip)
        xyz += noise.astype(np.float32, copy=False)
        return results
