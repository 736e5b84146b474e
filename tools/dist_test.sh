#!/usr/bin/env bash
# Test on several processes: GPUs, or CPU processes (gloo) where there is none.
# Usage: bash tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/test.py]
# Several machines: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
set -euo pipefail

if [ "$#" -lt 3 ]; then
    echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [arguments of tools/test.py]" >&2
    exit 2
fi
CONFIG="$1"
CHECKPOINT="$2"
NUM_PROCESSES="$3"
shift 3
case "$NUM_PROCESSES" in
'' | *[!0-9]* | 0*)
    echo "error: NUM_PROCESSES: expected a number of at least 1, got '$NUM_PROCESSES'" >&2
    exit 2
    ;;
esac
if [ ! -f "$CONFIG" ]; then
    echo "error: expected a config file, got '$CONFIG', which is none" >&2
    exit 1
fi
TOOLS="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}"

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$NUM_PROCESSES" \
    "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
