#!/usr/bin/env bash
# Makes (or reuses) the virtual environment of the project and prints nothing but progress.
# Usage: bash tools/setup_env.sh
# From the environment:
#   PYTHON           the interpreter to build on (python3)
#   MMPV_VENV        folder of the environment (.venv in the project's root); an existing folder
#                    must be empty or an environment that this script made
#   TORCH_INDEX_URL  package index for PyTorch, such as its index of CPU builds
# The environment is built anew when setup.py, this script or the interpreter changes.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PYTHON="${PYTHON:-python3}"
VENV="${MMPV_VENV:-$ROOT/.venv}"
TORCH_LOW=2.11
TORCH_HIGH=2.14
TORCH_CPU=2.13.0

if [ "$#" -gt 0 ]; then
    echo "usage: [PYTHON=...] [MMPV_VENV=...] [TORCH_INDEX_URL=...] bash tools/setup_env.sh" >&2
    exit 2
fi

say() { printf '[setup] %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# ---- Python -------------------------------------------------------------------------------
command -v "$PYTHON" >/dev/null ||
    die "mmpointvideo needs Python 3.11, 3.12 or 3.13 and found no '$PYTHON'; install one or set PYTHON=/path/to/python."
VERSION="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
case "$VERSION" in
3.11 | 3.12 | 3.13) ;;
*) die "mmpointvideo needs Python 3.11, 3.12 or 3.13, and '$PYTHON' is $VERSION; set PYTHON=/path/to/python to use another one." ;;
esac

# ---- nothing to do? -----------------------------------------------------------------------
fingerprint() {
    {
        cat "$ROOT/setup.py" "$ROOT/tools/setup_env.sh"
        "$PYTHON" -c 'import sys; print(sys.version, sys.base_prefix)'
        printf '%s\n' "$ROOT"
    } | sha256sum | cut -d ' ' -f 1
}
STAMP="$VENV/.mmpointvideo-stamp"
FINGERPRINT="$(fingerprint)"
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$FINGERPRINT" ] &&
    "$VENV/bin/python" -c 'import torch, mmengine, mmpointvideo' 2>/dev/null; then
    say "environment $VENV is up to date"
    exit 0
fi

# ---- system packages ----------------------------------------------------------------------
install_debian() { # names of Debian packages; only root can install them
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        return 1
    fi
    say "installing the system packages: $*"
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    install_debian "python$VERSION-venv" ||
        die "'$PYTHON' cannot make virtual environments; run: apt-get install python$VERSION-venv"
fi

# ---- torch: the importable one, when it fits ----------------------------------------------
torch_state() { # prints "ok VERSION", "old VERSION" (out of the pins) or "none"
    "$1" - "$TORCH_LOW" "$TORCH_HIGH" <<'PY'
import re
import sys

try:
    import torch
except Exception:
    print('none')
    raise SystemExit


def key(text):
    return tuple(int(part) for part in re.match(r'(\d+)\.(\d+)', text).groups())


low, high = sys.argv[1:]
fits = key(low) <= key(torch.__version__) < key(high)
print('ok' if fits else 'old', torch.__version__)
PY
}

MARK="$VENV/.mmpointvideo-environment" # ours to delete, finished or not
if [ -e "$VENV" ] && [ ! -f "$MARK" ] && [ ! -f "$STAMP" ] &&
    [ -n "$(ls -A "$VENV" 2>/dev/null || echo file)" ]; then
    die "$VENV exists and was not made by this script, which would have to delete it; set MMPV_VENV to a new folder, or delete it yourself."
fi
say "making the environment $VENV with Python $VERSION"
read -r STATE FOUND < <(torch_state "$PYTHON") || true
rm -rf "$VENV"
mkdir -p "$VENV"
touch "$MARK"
"$PYTHON" -m venv "$VENV"
PY="$VENV/bin/python"
case "$STATE" in
ok)
    say "torch $FOUND of '$PYTHON' is used as it is"
    # the folders that '$PYTHON' itself takes its packages from, after the environment's own
    "$PYTHON" - "$PY" <<'PY'
import subprocess
import sys
from pathlib import Path

ends = ('site-packages', 'dist-packages')
folders = [str(Path(p).resolve()) for p in sys.path if p.rstrip('/').endswith(ends)]
import torch

folders.append(str(Path(torch.__file__).resolve().parents[1]))
code = 'import sysconfig; print(sysconfig.get_path("purelib"))'
own = subprocess.run([sys.argv[1], '-c', code], capture_output=True, text=True, check=True)
Path(own.stdout.strip(), 'of_the_base_python.pth').write_text(
    ''.join(f'{folder}\n' for folder in dict.fromkeys(folders))
)
PY
    ;;
old) say "torch $FOUND of '$PYTHON' is not within >=$TORCH_LOW,<$TORCH_HIGH: the environment gets its own" ;;
*) say "'$PYTHON' has no torch: the environment gets its own" ;;
esac

pip_install() { "$PY" -m pip install --disable-pip-version-check --progress-bar on "$@" >&2; }
pip_install --quiet 'setuptools>=77.0.3,<82' wheel

if [ "$STATE" != ok ]; then
    INDEX=()
    if [ -n "${TORCH_INDEX_URL:-}" ]; then
        INDEX=(--index-url "$TORCH_INDEX_URL")
    fi
    if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
        say "GPU found: installing torch"
        pip_install "${INDEX[@]}" "torch>=$TORCH_LOW,<$TORCH_HIGH"
        "$PY" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
            say "this torch cannot use the GPU (driver too old for its CUDA?); set TORCH_INDEX_URL to an index of builds for your CUDA and run again"
    else
        say "no GPU found: installing torch $TORCH_CPU for the CPU"
        # the CPU build by its name where the index has one, else the plain one
        if ! pip_install "${INDEX[@]}" "torch==$TORCH_CPU+cpu"; then
            say "the package index has no build by that name: taking the default one, which may bring gigabytes of CUDA libraries (TORCH_INDEX_URL=ADDRESS_OF_AN_INDEX_OF_CPU_BUILDS avoids them)"
            pip_install "${INDEX[@]}" "torch==$TORCH_CPU"
        fi
    fi
fi

say "installing mmpointvideo and what it needs"
MMCV=mmcv,
if "$PY" -c 'import mmcv' 2>/dev/null; then
    MMCV= # mmcv and mmcv-lite own the same folder
fi
pip_install --quiet --no-build-isolation -e "${ROOT}[${MMCV}fast,tb,vis,dev]"

# OpenCV's default build needs a display's libraries; the headless one has the same module
if ! "$PY" -c 'import cv2' 2>/dev/null; then
    say "OpenCV lacks system libraries: taking its headless build"
    pip_install --quiet --force-reinstall --no-deps opencv-python-headless
fi
"$PY" -c 'import cv2, mmcv, mmengine, numba, torch, mmpointvideo
print(f"[setup] torch {torch.__version__}, numba {numba.__version__}, mmpointvideo {mmpointvideo.__version__}")' >&2
printf '%s\n' "$FINGERPRINT" >"$STAMP"
say "environment $VENV is ready"
