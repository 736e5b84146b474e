"""Worker processes that end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any


@contextmanager
def parallel_map(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int
) -> Iterator[Iterator[Any]]:
    """Results of a function in worker processes, in the order in which they are ready.

    The workers are killed, whatever they are doing, when the block raises, and end by themselves
    when this process is gone, also by SIGKILL. Ctrl-C, which a terminal sends to all of them, is
    for this process alone.

    Args:
        function: Of one item; importable by name.
        items: What it is called with.
        workers: Number of processes.

    Yields:
        The results.

    Raises:
        BrokenProcessPool: If the system ended a worker.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context('spawn')
    pool = ProcessPoolExecutor(workers, context, _end_with_parent)
    try:
        with _sigint_held_back():
            futures = [pool.submit(function, item) for item in items]
        yield (future.result() for future in as_completed(futures))
    except BaseException:
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _sigint_held_back() -> Iterator[None]:
    """Block SIGINT for a moment; processes that are started meanwhile block it for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """A worker's start: end it when its parent has ended, which a pool's workers never notice."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
