#!/usr/bin/env bash
# Ends as pytest did: 0 where the gate is met.
set -euo pipefail
if [ "${MB_STATUS:-1}" != 0 ]; then
    echo "::error::The memory benchmark did not pass (exit status ${MB_STATUS:-unknown} of pytest): see the summary of the job."
    exit 1
fi
