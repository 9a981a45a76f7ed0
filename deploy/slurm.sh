#!/usr/bin/env bash
#SBATCH --job-name=memorybench
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=memorybench-%a.log

# Eight shards of one run, a task each, in the folder from which it is submitted:
#   array=$(RUN=nightly sbatch --parsable deploy/slurm.sh)
#   sbatch --dependency="afterok:$array" --wrap "python -m reports merge nightly-{1..8} --run-id nightly"
# A task that failed goes on where it stopped: RUN=nightly sbatch --array=3 deploy/slurm.sh

set -euo pipefail

: "${RUN:?the name of the run, the same for all tasks}"
# not --shard auto: the array of a task that is submitted again has another size
options=(-k "${SELECTION:-locomo}" --provider "${PROVIDER:-bm25}" --shard "$SLURM_ARRAY_TASK_ID/8")
# 1 is the status of a run with wrong answers or errors of questions: the merge judges those
python -m pytest bench "${options[@]}" --run-id "$RUN-$SLURM_ARRAY_TASK_ID" || test $? -eq 1
