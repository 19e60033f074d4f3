#!/bin/bash
# pingpong.sh SIZE_MIB RETURNS KIB_PER_S ERR_NODE FAIL_AFTER_S: the script workload. A file goes to and fro between folders of
# the job's first and last node, each way in a step on the node that receives it, at a limited speed.
set -eu
. "$WORKLOADS/fault.sh"
fail_later "$4" "$5"
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=$(head -n 1 <<<"$nodes")
last=$(tail -n 1 <<<"$nodes")
place="pingpong.$SLURM_JOB_ID"
mkdir -p "$place/$first" "$place/$last"
trap 'rm -rf "$place"' EXIT
head -c "$1M" /dev/urandom >"$place/$first/ball"
for round in $(seq "$2"); do
    work srun --nodes=1 --ntasks=1 --nodelist="$last" rsync --whole-file --bwlimit="$3" "$place/$first/ball" "$place/$last/ball"
    work srun --nodes=1 --ntasks=1 --nodelist="$first" rsync --whole-file --bwlimit="$3" "$place/$last/ball" "$place/$first/ball"
    say "return $round of $2"
done
cmp "$place/$first/ball" "$place/$last/ball"
finish
