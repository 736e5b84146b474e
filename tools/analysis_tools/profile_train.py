"""Where the time of a training step goes.

Runs some training steps of a config under PyTorch's profiler and prints a table::

    python tools/analysis_tools/profile_train.py CONFIG
    python tools/analysis_tools/profile_train.py CONFIG --device cuda --steps 10

``data`` is the time the step waits for its batch, collation and the data preprocessor; the
other parts hold their forward and their backward pass. On a GPU they are device times, where the
wait for data runs beside the device. Everything that has no part of its own (activations, copies,
embeddings) is ``other``.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from mmpointvideo.engine.options import (
    add_cfg_options,
    check_data,
    device_name,
    load_config,
    non_negative_int,
    one_line_errors,
    output_file,
    positive_int,
)
from mmpointvideo.ops.backends import BACKENDS
from mmpointvideo.registry import MODELS
from mmpointvideo.utils.atomic import write_json

_OPERATORS = {
    'furthest point sampling': ('furthest_point_sample',),
    'ball query': ('ball_query',),
    'aggregation': (
        'multiply_sum',
        'gather_sum',
        'pool_max',
        'sum_displacements',
        'combine_rows',
        'gather_points',
        'group_points',
    ),
    'normalisation': (
        'frame_moments',
        'normalize_relu',
        'row_moments',
        'normalize_rows',
        'normalize_max',
    ),
    'interpolation': ('three_nn', 'three_interpolate'),
}
_PRODUCTS = re.compile(
    r'aten::(mm|addmm|bmm|baddbmm|convolution|mkldnn_convolution|convolution_backward'
    r'|scaled_dot_product_attention|linear|matmul)$'
)
_NODE = 'autograd::engine::evaluate_function: '
_RANGE = 'profile_train: '
PARTS = (
    'data',
    *_OPERATORS,
    'matrix products',
    'loss',
    'optimiser',
    'other',
)


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description='Where the time of a training step goes')
    parser.add_argument('config', help='config of a training run')
    parser.add_argument('--steps', type=positive_int, default=5, help='steps that are measured')
    parser.add_argument('--warmup', type=non_negative_int, default=3, help='steps before that')
    parser.add_argument(
        '--device', type=device_name, help='cpu, cuda, ... (default: a GPU where there is one)'
    )
    parser.add_argument('--out', type=output_file, help='write the result into this JSON file')
    add_cfg_options(parser)
    return parser.parse_args(args)


def _in_range(part: str, function: Callable) -> Callable:
    """The function, its time counted for a part."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with record_function(_RANGE + part):
            return function(*args, **kwargs)

    return call


def mark_parts(model: torch.nn.Module, optim_wrapper: Any) -> Callable[[], None]:
    """Mark the parts of a step for the profiler.

    Returns:
        A function that takes the marks off the operators again, which are the process'.
    """
    before = {name: dict(backend.operators()) for name, backend in BACKENDS.items()}
    for name, functions in before.items():
        for part, operators in _OPERATORS.items():
            for operator in functions.keys() & operators:
                BACKENDS[name].operators()[operator] = _in_range(part, functions[operator])
    for module in model.modules():
        if module is not model and callable(getattr(module, 'loss', None)):
            module.loss = _in_range('loss', module.loss)  # type: ignore[assignment]
    if hasattr(model, 'update_memory'):
        model.update_memory = _in_range('loss', model.update_memory)
    processor = getattr(model, 'data_preprocessor', None)
    if processor is not None:
        processor.forward = _in_range('data', processor.forward)
    for name in ('step', 'zero_grad'):
        setattr(optim_wrapper, name, _in_range('optimiser', getattr(optim_wrapper, name)))

    def undo() -> None:
        for name, functions in before.items():
            BACKENDS[name].operators().update(functions)

    return undo


def _plain(name: str) -> str:
    """A name by which an operator and its node in the backward pass agree."""
    name = name.removeprefix('aten::').removeprefix(_NODE)
    return re.sub(r'Backward\d*$', '', name).replace('_', '').lower()


def split_by_part(events: Any, device: bool) -> dict[str, float]:
    """Sum the profiler's times by part, microseconds.

    Args:
        events: ``profile.events()``.
        device: Count time on the device instead of the CPU.
    """
    parts: dict[int, str] = {}
    nodes: dict[tuple[int, str], str] = {}

    def part_of(event: Any) -> str:
        known = parts.get(id(event))
        if known is not None:
            return known
        found = 'other'
        above = part_of(event.cpu_parent) if event.cpu_parent is not None else 'other'
        if event.name.startswith(_RANGE):
            found = event.name.removeprefix(_RANGE)
        elif event.name.startswith(_NODE):
            found = nodes.get((event.sequence_nr, _plain(event.name)), above)
        elif above != 'other':
            found = above
        elif _PRODUCTS.match(event.name):
            found = 'matrix products'
        parts[id(event)] = found
        return found

    # what runs on the device is counted with the operator that started it
    events = [event for event in events if event.device_type == DeviceType.CPU]
    ordered = sorted(events, key=lambda event: event.time_range.start)
    for event in ordered:  # a forward operator comes before its node
        part = part_of(event)
        if event.sequence_nr >= 0 and not event.name.startswith(_NODE):
            key = event.sequence_nr, _plain(event.name)
            if part != 'other' or key not in nodes:
                nodes[key] = part
    sums: dict[str, float] = defaultdict(float)
    for event in ordered:
        sums[part_of(event)] += (
            event.self_device_time_total if device else event.self_cpu_time_total
        )
    return dict(sums)


def main(args: list[str] | None = None) -> dict[str, float]:
    """Measure and print.

    Returns:
        Milliseconds of every part of a step.
    """
    parsed = parse_args(args)
    with one_line_errors():
        needs = ('model', 'train_dataloader', 'optim_wrapper')
        cfg = load_config(parsed.config, parsed.cfg_options, needs)
        check_data(cfg, 'train')
        init_default_scope(cfg.get('default_scope', 'mmpointvideo'))
        set_random_seed(0)
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    device = torch.device(parsed.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    on_device = device.type != 'cpu'
    model = MODELS.build(cfg.model).to(device).train()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    undo = mark_parts(model, optim_wrapper)

    def batches() -> Any:
        while True:
            yield from loader

    source = batches()
    waited = 0.0

    def step() -> None:
        nonlocal waited
        start = time.perf_counter()
        batch = next(source)
        waited += time.perf_counter() - start
        model.train_step(batch, optim_wrapper)
        if hasattr(model, 'update_memory'):
            model.update_memory()

    def synchronize() -> None:
        if device.type == 'cuda':
            torch.cuda.synchronize()

    try:
        for _ in range(max(1, parsed.warmup)):
            step()
        synchronize()
        waited = 0.0
        activities = [ProfilerActivity.CPU]
        if device.type == 'cuda':
            activities.append(ProfilerActivity.CUDA)
        with profile(activities=activities) as profiler:
            start = time.perf_counter()
            for _ in range(parsed.steps):
                step()
            synchronize()
            total = time.perf_counter() - start
    finally:
        undo()
    found = split_by_part(profiler.events(), on_device)
    result = {part: found.get(part, 0.0) / 1e3 / parsed.steps for part in PARTS}
    # the profiler sees neither the wait nor what Python itself does between the operators
    result['data'] += 1e3 * waited / parsed.steps
    if not on_device:
        spent = sum(result.values()) - result['other']
        result['other'] = max(0.0, 1e3 * total / parsed.steps - spent)
    whole = sum(result.values())
    print(
        f'{parsed.config}: {1e3 * total / parsed.steps:.1f} ms a step, {parsed.steps} steps, '
        f'batches of {cfg.train_dataloader.batch_size}, {device}, '
        f'{torch.get_num_threads()} threads, torch {torch.__version__}'
    )
    print('| part | ms | share |')
    print('|---|---|---|')
    for part, spent in result.items():
        print(f'| {part} | {spent:.2f} | {100 * spent / max(whole, 1e-9):.1f} % |')
    if hasattr(model.encoder, 'points_read'):
        xyz = model.data_preprocessor(next(source), training=True)['inputs']['xyz']
        shares = model.encoder.points_read(xyz.flatten(0, -4))
        shown = ', '.join(f'{100 * share:.0f}' for share in shares)
        print(f'points that the layers after the first read: {shown} %')
    if parsed.out:
        write_json(parsed.out, result)
    return result


if __name__ == '__main__':
    # whatever opens a file in this process opens it as data
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    main()
