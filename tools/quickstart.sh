#!/usr/bin/env bash
# From a fresh machine to a pre-trained encoder: environment, built-in data, pre-training, linear
# probes of the result and of a random encoder.
# Usage: bash tools/quickstart.sh [--fresh]
#   --fresh  forget what an earlier quickstart trained; without it an interrupted one goes on
# From the environment: what tools/setup_env.sh reads, OMP_NUM_THREADS (1).
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
VENV="${MMPV_VENV:-$ROOT/.venv}"
DATA=data/builtin_actions
OUT=work_dirs/quickstart
PRETRAIN=configs/pointcpsc/pointcpsc-best_pstnet-tiny_1xb28-24x1-256pts-coslr-40e_builtin-actions.py
PROBE=configs/pointcpsc/benchmarks/pstnet-tiny_pointcpsc-best-builtin-pre_1xb16-24x1-256pts-linear-20e_builtin-actions.py
PROBE_RANDOM=configs/pstnet/pstnet-tiny_1xb16-24x1-256pts-linear-20e_builtin-actions.py
# networks this small gain little from more threads and lose much when others use the machine
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" NUMBA_NUM_THREADS="${NUMBA_NUM_THREADS:-1}"

case "${1:-}" in
'') ;;
--fresh) rm -rf "$OUT" ;;
*)
    echo "usage: bash tools/quickstart.sh [--fresh]" >&2
    exit 2
    ;;
esac

STEP=0
step() {
    STEP=$((STEP + 1))
    printf '\n[%d/6, %d:%02d] %s\n' "$STEP" $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

# Runs a command; its whole output goes into LOG, one line an epoch or so is shown.
logged() {
    local log="$1" status
    shift
    mkdir -p "$(dirname "$log")"
    set +e
    "$@" 2>&1 | tee "$log" |
        grep --line-buffered -oE 'Epoch\((train|val)\) +\[.*(eta: [0-9:]+|loss: [0-9.]+|video_acc: [0-9.]+)|[a-z_]+: last .*'
    status="${PIPESTATUS[0]}"
    set -e
    if [ "$status" -ne 0 ]; then
        tail -n 25 "$log" >&2
        echo "quickstart stopped; the whole log: $log" >&2
        exit "$status"
    fi
}

step "environment"
bash tools/setup_env.sh
PY="$VENV/bin/python"
if [ -f "$OUT/finished" ]; then
    echo "an earlier quickstart finished; its results are shown again (--fresh trains anew)"
fi

step "built-in actions: simulated people before a simulated depth camera"
"$PY" tools/dataset_converters/make_builtin_actions.py --out-dir "$DATA" --convert

if [ ! -f "$OUT/finished" ]; then
    step "pictures of the clips, as the network sees them"
    "$PY" tools/visualization/browse_dataset.py "$PROBE" --num 8 --output-dir "$OUT/pictures"

    step "pre-training PointCPSC, without labels"
    logged "$OUT/pretrain.log" "$PY" tools/train.py "$PRETRAIN" --work-dir "$OUT/pretrain" --resume
    CHECKPOINT="$(cat "$OUT/pretrain/last_checkpoint")"

    step "linear probe of the pre-trained encoder"
    logged "$OUT/probe_pretrained.log" "$PY" tools/train.py "$PROBE" \
        --work-dir "$OUT/probe_pretrained" --resume \
        --cfg-options "model.encoder_checkpoint=$CHECKPOINT"

    step "linear probe of a randomly initialised encoder"
    logged "$OUT/probe_random.log" "$PY" tools/train.py "$PROBE_RANDOM" \
        --work-dir "$OUT/probe_random" --resume
    touch "$OUT/finished"
fi

"$PY" - "$OUT" "$DATA" <<'PY'
import json
import sys
from pathlib import Path

out, data = map(Path, sys.argv[1:])
rows = []
for title, name in (
    ('random encoder, linear probe', 'probe_random'),
    ('PointCPSC, linear probe', 'probe_pretrained'),
):
    last = json.loads((out / name / 'results.json').read_text())['last']
    rows.append((title, last['video_acc'], last['clip_acc'], last['epoch']))
print(f'\n{"":32}{"video accuracy":>15}{"clip accuracy":>15}{"epoch":>7}')
for title, video, clip, epoch in rows:
    print(f'{title:32}{video:13.1f} %{clip:13.1f} %{epoch:7d}')
print(f'\ndata         {data}')
print(f'pictures     {out}/pictures')
print(f'logs         {out}/*.log, {out}/*/2*/')
print(f'checkpoints  {out}/pretrain/*.pth, {out}/probe_*/*.pth')
PY
printf 'done in %d:%02d minutes\n' $((SECONDS / 60)) $((SECONDS % 60))
