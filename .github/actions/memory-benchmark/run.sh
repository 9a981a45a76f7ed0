#!/usr/bin/env bash
# Runs the benchmark under its gates. Says what came of it in outputs; the last step of the action fails if a gate is missed.
set -euo pipefail
suite="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
home="$RUNNER_TEMP/memory-benchmark"
python="$home/venv/bin/python"
runs="$home/runs"
run="ci-${GITHUB_RUN_ID:-0}-${GITHUB_RUN_ATTEMPT:-1}-$(date +%s)"
arguments=(bench -k "$MB_SELECTION" --runs-dir "$runs" --run-id "$run" --max-errors "${MB_MAX_ERRORS:-0}" --github-summary)

# each OPTION LINES: the option once for every line that is not empty
each() {
    local line
    while IFS= read -r line; do
        line="${line%$'\r'}"
        if [ -n "$line" ]; then
            arguments+=(${1:+"$1"} "$line")
        fi
    done <<<"$2"
}

each --provider "$MB_PROVIDER"
each --fail-under "${MB_FAIL_UNDER:-}"
baseline="" compared=""
if [ -n "${MB_BASELINE:-}" ]; then
    baseline="$GITHUB_WORKSPACE/$MB_BASELINE"
    if [ -f "$baseline" ]; then
        compared="$baseline"
        if [[ "${MB_NO_WORSE:-}${MB_MAX_DROP:-}${MB_MAX_RISE:-}" =~ [^[:space:]] ]]; then
            arguments+=(--baseline "$baseline")
        fi
        each --no-worse "${MB_NO_WORSE:-}"
        each --max-drop "${MB_MAX_DROP:-}"
        each --max-rise "${MB_MAX_RISE:-}"
    fi
fi
each "" "${MB_OPTIONS:-}"

cd "$suite"
status=0
PYTHONPATH="$GITHUB_WORKSPACE/${MB_DIRECTORY:-.}${PYTHONPATH:+:$PYTHONPATH}" "$python" -m pytest "${arguments[@]}" || status=$?

{
    echo "status=$status"
    echo "passed=$([ "$status" -eq 0 ] && echo true || echo false)"
} >>"$GITHUB_OUTPUT"
report="$runs/$run/report.json"
if [ ! -f "$report" ]; then
    exit 0
fi

score='import json, sys
result = json.load(open(sys.argv[1], encoding="utf-8"))["results"][0]
levels = result["retrieval"]
print(result["accuracy"]["value"] if result["accuracy"] else (levels["message"] or levels["session"])["recall"]["10"])'

made="$home/baseline.json"
if "$python" -m reports baseline "$run" --runs-dir "$runs" >"$made.new"; then
    mv "$made.new" "$made"
    if [ -n "$baseline" ] && [ -z "$compared" ]; then
        mkdir -p "$(dirname "$baseline")"
        cp "$made" "$baseline"
        echo "::notice::There was no baseline: this run made it. Commit it as $MB_BASELINE; it is in the artifact too."
    fi
else
    made=""
fi
{
    echo "run=$run"
    echo "folder=$runs/$run"
    echo "report=$report"
    echo "baseline=$made"
    echo "compared=$compared"
    echo "score=$("$python" -c "$score" "$report")"
} >>"$GITHUB_OUTPUT"
