"""What a recognizer says about a video, clip by clip.

    python demo/classify_video.py CHECKPOINT [--video FILE_OR_FOLDER]

Prints the likeliest classes of every clip and of the video, and draws both over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from defaults import (
    PROBE,
    add_data_root,
    add_out,
    describe,
    make_parser,
    pick_videos,
    read_videos,
    spread_frames,
)

from mmpointvideo.apis import PointVideoInferencer, Video, open_video
from mmpointvideo.apis.inference import class_names
from mmpointvideo.engine.options import non_negative_int, one_line_errors, positive_int
from mmpointvideo.visualization import PointClip, categorical_palette, draw_sheet, write_png
from mmpointvideo.visualization.render import figure_image


def draw(video: Video, result: dict[str, Any], names: list[str], frames: int) -> np.ndarray:
    """Frames of the video above, probabilities over time below, ``(H, W, 3)`` uint8."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    picks = spread_frames(video.num_frames, 6)
    shown = [video.read([t], ()).xyz for t in picks]
    clip = PointClip(shown, {}, result['video_id'], [f'frame {t}' for t in picks])
    sheet = draw_sheet([clip.thin(2048, np.random.default_rng(0))], 'height', 6)
    figure = Figure(figsize=(sheet.shape[1] / 100, 2.6), layout='constrained')
    ax = figure.subplots()
    scores = result['clip_scores']
    best = np.argsort(-result['scores'])[:5]
    lines = ['-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1))]
    for color, line, label in zip(categorical_palette(5), lines, best.tolist(), strict=False):
        style = dict(color=np.array(color) / 255, linestyle=line, marker='o', markersize=3)
        ax.plot(result['clip_starts'], scores[:, label], label=names[label], **style)
    ax.set(xlabel=f'first frame of a clip of {frames} frames', ylabel='probability')
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=8, loc='center left', bbox_to_anchor=(1.01, 0.5))
    chart = figure_image(figure, 100)
    width = min(sheet.shape[1], chart.shape[1])
    return np.concatenate([sheet[:, :width], chart[:, :width]])


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Predict, print, draw; returns the prediction."""
    parser = make_parser(__doc__, PROBE)
    add_data_root(parser)
    parser.add_argument('--video', help='store, folder or raw .bin (default: one of the data set)')
    parser.add_argument(
        '--seed', type=non_negative_int, default=0, help='which video of the data set'
    )
    parser.add_argument('--lines', type=positive_int, default=6, help='clips to print (default 6)')
    add_out(parser, 'classify_video.png', ('.png',))
    args = parser.parse_args(arguments)
    truth = ''
    if args.video is None:
        meta, videos = read_videos(args.data_root)
        chosen = pick_videos(videos, 1, args.seed)[0]
        args.video, truth = chosen['video_path'], describe(chosen, meta)
    inferencer = PointVideoInferencer(args.config, args.checkpoint, args.device)
    video = open_video(args.video)
    result = inferencer(video, clips='all', return_features=True)[0]
    names = class_names(inferencer.model) or [str(i) for i in range(len(result['scores']))]

    def five(scores: np.ndarray) -> str:
        order = np.argsort(-scores)[:5]
        return ', '.join(f'{names[i]} {scores[i]:.2f}' for i in order)

    pipeline = inferencer.pipeline
    length = pipeline.span
    for index in spread_frames(len(result['clip_starts']), args.lines):
        start = result['clip_starts'][index]
        last = min(start + length, video.num_frames) - 1
        print(f'frames {start:3d}-{last:3d}: {five(result["clip_scores"][index])}')
    print(f'video: {five(result["scores"])}')
    if truth:
        print(f'truth: {truth}')
    write_png(args.out, draw(video, result, names, pipeline.num_frames))
    print(f'written: {args.out}')
    return result


if __name__ == '__main__':
    with one_line_errors():
        main()
