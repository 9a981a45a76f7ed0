#!/usr/bin/env bash
# Installs the suite and what the memory system needs into an environment of its own, and downloads data.
set -euo pipefail
suite="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
venv="$RUNNER_TEMP/memory-benchmark/venv"
if [ ! -x "$venv/bin/python" ]; then
    "${MB_PYTHON:-python3}" -m venv --clear "$venv"
fi
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" -c "$suite/requirements.lock" -e "$suite${MB_EXTRAS:+[$MB_EXTRAS]}"
if [ -n "${MB_REQUIREMENTS:-}" ]; then
    (cd "$GITHUB_WORKSPACE" && "${pip[@]}" -r "$MB_REQUIREMENTS")
fi
read -ra names <<<"${MB_DATA:-}"
for name in ${names[@]+"${names[@]}"}; do
    (cd "$suite" && "$venv/bin/python" -m bench download "$name")
done
