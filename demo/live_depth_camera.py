"""Recognize actions in a stream of depth frames, with a sliding window.

    python demo/live_depth_camera.py CHECKPOINT                        # a stored video as stream
    python demo/live_depth_camera.py CHECKPOINT --source FILE_OR_FOLDER
    python demo/live_depth_camera.py CHECKPOINT --camera realsense     # needs Open3D and the camera

Every --stride frames the last frames are classified; the latency of each prediction is printed. A
camera's millimetres are multiplied by --unit (0.25 for the 4 mm of MSR-Action3D's depth unit), and
what is further away than --max-depth is background.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from defaults import PROBE, add_data_root, describe, make_parser, pick_videos, read_videos

from mmpointvideo.apis import PointVideoInferencer, open_video
from mmpointvideo.engine.options import (
    non_negative_float,
    one_line_errors,
    positive_float,
    positive_int,
)
from mmpointvideo.simulation import DepthCamera


def stored_frames(source: str | Path, rate: float) -> Iterator[np.ndarray]:
    """Frames ``(n, 3)`` of a stored video, at most ``rate`` a second (0: as fast as can be)."""
    video = open_video(source)
    start = time.perf_counter()
    for frame in range(video.num_frames):
        if rate:
            time.sleep(max(0.0, start + frame / rate - time.perf_counter()))
        yield video.read([frame], ()).xyz


def camera_frames(kind: str, unit: float, max_depth: float) -> Iterator[np.ndarray]:
    """Frames ``(n, 3)`` of a camera that Open3D supports, until interrupted."""
    try:
        import open3d
    except ImportError as error:
        raise ImportError('--camera needs Open3D: pip install "mmpointvideo[open3d]"') from error
    if kind == 'realsense':
        sensor = open3d.t.io.RealSenseSensor()
        sensor.init_sensor()
        sensor.start_capture()
        intrinsics = sensor.get_metadata().intrinsics
        matrix = intrinsics.intrinsic_matrix
    else:
        sensor = open3d.io.AzureKinectSensor(open3d.io.AzureKinectSensorConfig())
        if not sensor.connect(0):
            raise ConnectionError('no Azure Kinect found')
        # its depth is delivered in the colour camera's frame, 1280 x 720
        intrinsics = open3d.camera.PinholeCameraIntrinsic(1280, 720, 605.3, 605.2, 638.0, 367.0)
        matrix = intrinsics.intrinsic_matrix
    while True:
        image = (
            sensor.capture_frame(True, True) if kind == 'realsense' else sensor.capture_frame(True)
        )
        if image is None:
            continue
        depth = np.asarray(image.depth).squeeze().astype(np.float64)
        depth[depth > max_depth] = 0
        height, width = depth.shape
        camera = DepthCamera(width, height, matrix[0, 0], matrix[0, 2], matrix[1, 2])
        yield (camera.depth_to_points(depth) * unit).astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Run, and return the latencies in milliseconds."""
    parser = make_parser(__doc__, PROBE)
    add_data_root(parser)
    parser.add_argument('--source', help='store, folder or raw .bin to read as a stream')
    parser.add_argument('--camera', choices=['realsense', 'azure'])
    parser.add_argument('--stride', type=positive_int, default=4, help='frames between predictions')
    parser.add_argument(
        '--rate', type=non_negative_float, default=15, help='frames a second of a source; 0: all'
    )
    parser.add_argument(
        '--unit', type=positive_float, default=0.25, help="a millimetre in the data's unit"
    )
    parser.add_argument(
        '--max-depth', type=positive_float, default=3500, help='of a camera, millimetres'
    )
    args = parser.parse_args(arguments)
    if args.camera:
        frames = camera_frames(args.camera, args.unit, args.max_depth)
    else:
        if args.source is None:
            meta, videos = read_videos(args.data_root)
            chosen = pick_videos(videos, 1)[0]
            args.source = chosen['video_path']
            print(f'stream: {describe(chosen, meta)}')
        frames = stored_frames(args.source, args.rate)
    inferencer = PointVideoInferencer(args.config, args.checkpoint, args.device)
    length = inferencer.pipeline.span
    window: deque[np.ndarray] = deque(maxlen=length)
    latencies = []
    try:
        for number, points in enumerate(frames):
            window.append(points)
            if len(window) < length or (number + 1 - length) % args.stride:
                continue
            if not any(map(len, window)):
                print(f'frame {number:4d}: nobody in view')
                continue
            start = time.perf_counter()
            result = inferencer(list(window), clips=1)[0]
            latencies.append(1000 * (time.perf_counter() - start))
            name = result['name'] or f'class {result["label"]}'
            print(f'frame {number:4d}: {name} {result["score"]:.2f} ({latencies[-1]:.0f} ms)')
    except KeyboardInterrupt:
        pass
    if latencies:
        middle, late = np.percentile(latencies[1:] or latencies, [50, 95])
        print(f'latency without the first: median {middle:.0f} ms, 95 % below {late:.0f} ms')
    elif len(window) < length:
        print(f'the stream ended before {length} frames were there')
    return latencies


if __name__ == '__main__':
    with one_line_errors():
        main()
