#!/usr/bin/env bash
# Makes or reuses the environment and runs the test suite.
# Usage: bash tools/run_tests.sh [arguments of pytest]
# From the environment: what tools/setup_env.sh reads, and TEST_WORKERS (default: one a core,
# at most 4).
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${MMPV_VENV:-$ROOT/.venv}"
bash "$ROOT/tools/setup_env.sh"

cd "$ROOT"
CORES="$("$VENV/bin/python" -c 'import os; print(min(4, len(os.sched_getaffinity(0))))')"
# a thread a worker: the workers share the cores
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
export PATH="$VENV/bin:$PATH"
exec "$VENV/bin/python" -m pytest -n "${TEST_WORKERS:-$CORES}" --dist loadfile "$@"
