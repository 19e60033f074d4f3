# Read by the job scripts. The faulty node: a job whose node list contains it fails some seconds after its start, and never
# ends well before.

# say TEXT: to the job's output, and to syslog under the job's tag where there is a syslog: the node's own, else the
# machine's.
say() {
    echo "$*"
    for log in "/run/slurmlens-node/$SLURMD_NODENAME/log" /dev/log; do
        if [ -S "$log" ]; then
            logger --socket "$log" -t "slurm_$SLURM_JOB_ID" -- "$*"
            break
        fi
    done
}

# fail_later ERR_NODE SECONDS: in the background, ends the whole script with 42 if the node is among the job's.
faulty=
fail_later() {
    if scontrol show hostnames "$SLURM_JOB_NODELIST" | grep -qxF -- "$1"; then
        faulty=yes
        trap 'say "Job failed (tell you a secret: due to error node trigger)"; exit 42' USR1
        (sleep "$2" && kill -USR1 $$) &
    fi
}

# work ARGUMENTS: runs a program so that the signal is noticed at once and not only after it.
work() {
    "$@" &
    wait $!
}

# finish: the script's last line; a job on the faulty node waits here for its failure.
finish() {
    while [ -n "$faulty" ]; do
        work sleep 1
    done
}
