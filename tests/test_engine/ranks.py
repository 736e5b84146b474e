"""Starting some gloo processes that run a function of the tests."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from mmpointvideo.testing import interruption


def _enter(function: Callable, rank: int, world: int, folder: Path) -> None:
    log = os.open(folder / f'rank{rank}.log', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = sys.stderr = os.fdopen(log, 'w', buffering=1)
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            'gloo',
            init_method=f'file://{folder}/store',
            rank=rank,
            world_size=world,
            timeout=timedelta(seconds=120),
        )
        torch.save(function(rank, world), folder / f'rank{rank}.pt')
        dist.destroy_process_group()
    except SystemExit as leaving:
        os._exit(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def start_ranks(
    function: Callable, world: int, folder: Path, timeout: float = 300.0
) -> tuple[list[int | None], list[str]]:
    """Run ``function(rank, world)`` in every process of a gloo group.

    What it returns is saved as ``folder/rankR.pt``.

    Returns:
        Exit statuses (None: it had to be killed) and outputs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context(interruption.START_METHOD)
    if interruption.START_METHOD == 'forkserver':
        context.set_forkserver_preload([__name__, interruption.__name__, 'mmpointvideo.models'])
    processes = [
        context.Process(target=_enter, args=(function, rank, world, folder))
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    end = time.monotonic() + timeout
    while any(process.exitcode is None for process in processes) and time.monotonic() < end:
        time.sleep(0.05)
        if any(process.exitcode not in (None, 0) for process in processes):
            end = min(end, time.monotonic() + 15)  # as a launcher does
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    return codes, [(folder / f'rank{rank}.log').read_text() for rank in range(world)]


def on_ranks(function: Callable, world: int, folder: Path) -> list:
    """What ``function(rank, world)`` returned on every rank."""
    codes, logs = start_ranks(function, world, folder)
    assert codes == [0] * world, '\n'.join(logs)
    return [torch.load(folder / f'rank{rank}.pt', weights_only=False) for rank in range(world)]
