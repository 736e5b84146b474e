"""PNG images, with a look at their size before they are decoded."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from mmpointvideo.datasets.frame_codec import MAX_IMAGE_PIXELS

_SIGNATURE = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR'


def import_cv2(what: str) -> Any:
    """OpenCV.

    Args:
        what: What needs it, for the message.

    Raises:
        ImportError: If it is missing.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f'{what} needs OpenCV: pip install opencv-python-headless (or mmcv-lite, which brings '
            f'it). The import failed with: {error}'
        ) from error
    return cv2


def read_png(path: str | os.PathLike, color: bool = False) -> np.ndarray:
    """Decode a PNG image of at most 2**22 pixels.

    Args:
        path: The file.
        color: Give BGR uint8; otherwise the image as it is stored.

    Returns:
        ``(H, W)`` or ``(H, W, C)``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no PNG image, damaged or too large; names the file.
        ImportError: If OpenCV is missing.
    """
    cv2 = import_cv2('reading PNG images')
    data = Path(path).read_bytes()
    if not data.startswith(_SIGNATURE) or len(data) < 24:
        raise ValueError(f'{path}: not a readable image, expected PNG')
    width, height = struct.unpack_from('>II', data, 16)
    if not 0 < width * height <= MAX_IMAGE_PIXELS:
        raise ValueError(
            f'{path}: expected an image of at most {MAX_IMAGE_PIXELS} pixels, the header says '
            f'{width} x {height}'
        )
    flag = cv2.IMREAD_COLOR if color else cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise ValueError(f'{path}: not a readable image: {error}') from None
    if image is None:
        raise ValueError(f'{path}: not a readable image')
    return image
