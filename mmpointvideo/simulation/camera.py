"""Pinhole depth camera.

Axes as in the published MSR points: x to the right, y **down**, z away from the camera. Pixel
(u, v) is column u of row v.
"""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class DepthCamera:
    """A pinhole camera whose pixels hold z.

    Args:
        width: Image columns.
        height: Image rows.
        focal: Focal length in pixels.
        cx: Principal point's column; default ``width / 2``.
        cy: Principal point's row; default ``height / 2``.

    Examples:
        >>> camera = DepthCamera()
        >>> camera.project([[0.0, 28.0, 280.0]])
        array([[160., 148.]])
    """

    width: int = 320
    height: int = 240
    focal: float = 280.0
    cx: float = None  # type: ignore[assignment]  # set below
    cy: float = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or not self.focal > 0:
            raise ValueError(f'camera: expected a positive size and focal length, got {self}')
        for name, size in (('cx', self.width), ('cy', self.height)):
            value = getattr(self, name)
            object.__setattr__(self, name, size / 2 if value is None else float(value))

    def to_dict(self) -> dict[str, float]:
        """``width, height, focal, cx, cy``, the form in which frame stores keep a camera."""
        return asdict(self)

    def unproject(self, u: np.ndarray, v: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points ``(..., 3)`` of pixels at a depth; ``u, v, depth`` broadcast."""
        z = np.asarray(depth, dtype=np.float64)
        x = (np.asarray(u) - self.cx) / self.focal * z
        y = (np.asarray(v) - self.cy) / self.focal * z
        return np.stack(np.broadcast_arrays(x, y, z), axis=-1)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixel positions ``(..., 2)`` (u, v), not rounded, of points ``(..., 3)`` with z > 0."""
        points = np.asarray(points, dtype=np.float64)
        centre = np.array([self.cx, self.cy])
        return points[..., :2] / points[..., 2:] * self.focal + centre

    def depth_to_points(self, depth: np.ndarray) -> np.ndarray:
        """Points ``(n, 3)`` float64 of the pixels above 0 of a depth map, in raster order.

        Args:
            depth: ``(H, W)``, 0 is background.
        """
        depth = np.asarray(depth)
        if depth.shape != (self.height, self.width):
            raise ValueError(
                f'depth: expected shape {(self.height, self.width)}, got {depth.shape}'
            )
        v, u = np.nonzero(depth)
        return self.unproject(u, v, depth[v, u])

    def points_to_depth(self, points: np.ndarray) -> np.ndarray:
        """Depth map ``(H, W)`` int64 of points ``(n, 3)``: nearest pixel, the closest point wins.

        Inverse of :meth:`depth_to_points` for integer depths. Points behind the camera or outside
        the image are left out.
        """
        points = np.asarray(points, dtype=np.float64)
        points = points[points[:, 2] >= 0.5]
        pixels = np.rint(self.project(points)).astype(np.int64)
        size = np.array([self.width, self.height])
        inside = ((pixels >= 0) & (pixels < size)).all(axis=1)
        u, v = pixels[inside].T
        far = np.iinfo(np.int64).max
        depth = np.full((self.height, self.width), far)
        np.minimum.at(depth, (v, u), np.rint(points[inside, 2]).astype(np.int64))
        depth[depth == far] = 0
        return depth


#: 320x240, focal length 280: the camera of MSR-Action3D's published points.
MSR_CAMERA = DepthCamera()
#: 512x424, focal length 280: the camera of NTU RGB+D's published points.
NTU_CAMERA = DepthCamera(width=512, height=424)
