#!/usr/bin/env bash
# Names the folders of the job, and the keys of its caches by what decides their content.
set -euo pipefail
suite="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
python="${MB_PYTHON:-python3}"
home="$RUNNER_TEMP/memory-benchmark"
mkdir -p "$home"

digest() {
    "$python" -c 'import hashlib, sys
print(hashlib.sha256(b"\0".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest()[:24])' "$@"
}

files=("$suite/requirements.lock" "$suite/pyproject.toml")
if [ -n "${MB_REQUIREMENTS:-}" ]; then
    files+=("$GITHUB_WORKSPACE/$MB_REQUIREMENTS")
fi
printf '%s' "${MB_EXTRAS:-}" >"$home/extras"
printf '%s' "${MB_DATA:-}" >"$home/data"
system="$("$python" -c 'import platform; print(platform.system(), platform.machine(), platform.python_version(), sep="-")')"
{
    echo "venv=$home/venv"
    echo "venv-key=memory-benchmark-venv-$system-$(digest "${files[@]}" "$home/extras")"
    echo "data=$suite/datasets"
    echo "data-key=memory-benchmark-data-$(digest "$home/data" "$suite"/datasets/*.toml)"
} >>"$GITHUB_OUTPUT"
