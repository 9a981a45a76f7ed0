#!/usr/bin/env bash
# Writes one comment into the pull request, or updates the one that is there. A failure of the service is a warning.
set -euo pipefail
suite="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
home="$RUNNER_TEMP/memory-benchmark"
python="$home/venv/bin/python"
comments="${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues/$MB_PULL_REQUEST/comments"

# The token is read from standard input: other processes can see arguments.
call() {
    printf 'header = "Authorization: Bearer %s"\n' "$MB_TOKEN" | curl --config - --silent --show-error --fail \
        --max-time 60 --header "Accept: application/vnd.github+json" "$@"
}

cd "$suite"
text=("$MB_RUN" --runs-dir "$home/runs" --key "$MB_COMMENT_KEY")
if [ -n "${MB_COMPARED:-}" ]; then
    text+=(--baseline "$MB_COMPARED")
fi
if [ -n "${GITHUB_RUN_ID:-}" ]; then
    text+=(--details "${GITHUB_SERVER_URL:-https://github.com}/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID")
fi
"$python" -m reports comment "${text[@]}" >"$home/comment.md"
"$python" -c 'import json, sys; print(json.dumps({"body": sys.stdin.read()}))' <"$home/comment.md" >"$home/comment.json"

# Ours begins with the same hidden line, and a bot wrote it: a person could copy the line.
find_ours='import json, sys
marker = open(sys.argv[1], encoding="utf-8").readline()
found = json.load(sys.stdin)
ours = (one["id"] for one in found if one["user"]["type"] == "Bot" and one["body"].replace("\r", "").startswith(marker))
print(len(found), next(ours, ""))'

post() {
    local page=1 count=100 ours=""
    while [ "$count" -eq 100 ] && [ -z "$ours" ]; do
        call --retry 3 "$comments?per_page=100&page=$page" >"$home/comments.json" || return
        read -r count ours < <("$python" -c "$find_ours" "$home/comment.md" <"$home/comments.json") || return
        page=$((page + 1))
    done
    if [ -n "$ours" ]; then
        call --request PATCH --data-binary "@$home/comment.json" "${comments%/*/comments}/comments/$ours" >/dev/null
    else
        call --request POST --data-binary "@$home/comment.json" "$comments" >/dev/null
    fi
}

post || echo "::warning::The comment could not be written: pull requests of forks have a token that may only read."
