#!/usr/bin/env bash
# Install what the tests need, and pass them: lint, types, import layers, tests with a real browser.
set -eu
cd "$(dirname "$0")/.."

browser() { command -v "${CHROMIUM:-chromium}" || command -v chromium-browser; }
missing=
browser >/dev/null || missing="chromium fonts-dejavu-core"
[ -n "$(fc-list :lang=zh-cn 2>/dev/null)" ] || missing="$missing fonts-wqy-microhei"
[ -d .venv ] || python3 -c "import ensurepip" 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    as_root=$([ "$(id -u)" = 0 ] || echo sudo)
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi
[ -d /sys/kernel/debug/extfrag ] || $([ "$(id -u)" = 0 ] || echo sudo -n) mount -t debugfs none /sys/kernel/debug || true  # the kernel's own indices
CHROMIUM=$(browser)
export CHROMIUM COMPACTLAB_REQUIRE_BROWSER=1 JUPYTER_PLATFORM_DIRS=1

[ -d .venv ] || python3 -m venv .venv
.venv/bin/python -m pip install -q -e ".[notebook,dev]" -c constraints.txt
PATH="$PWD/.venv/bin:$PATH"
set -x
ruff check
ruff format --check
mypy
lint-imports
if [ $# -gt 0 ]; then
    exec python -m pytest "$@"
fi

# Three at a time, for those in a browser and of notebooks wait a lot; what runs beside is told at the end.
scratch=$(mktemp -d)
core="tests/test_readers.py tests/test_readers_damage.py tests/test_readers_notes.py tests/test_metrics_indices.py
    tests/test_readers_pagemap.py tests/test_core_background.py tests/test_core_buddy.py
    tests/test_core_invariants.py tests/test_core_against_slow.py tests/test_allocators.py"
runs="tests/test_simulate_loop.py tests/test_simulate_contig.py"
notebooks_and_core() {  # the jitted core once more: with bounds checked, and as plain Python
    python -m pytest -m notebooks
    NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR="$scratch/numba" python -m pytest -q $core $runs
    NUMBA_DISABLE_JIT=1 python -m pytest -q $core -k "not groundtruth and not map_of_this_machine"
}
set -m  # a process group each, so that all of it ends with this script
python -m pytest -m browser >"$scratch/browser" 2>&1 &
first=$!
notebooks_and_core >"$scratch/core" 2>&1 &
second=$!
trap 'kill -- -$first -$second 2>/dev/null || true; rm -rf "$scratch"' EXIT
python -m pytest -m "not browser and not notebooks"

failed=0
wait $first || failed=$?
cat "$scratch/browser"
wait $second || failed=$?
cat "$scratch/core"
exit $failed
