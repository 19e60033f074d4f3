"""What the lines of slurmctld, slurmd, slurmstepd, slurmdbd and srun say, as a table with one row a kind: pure.

Owns the rows and their wording from 20.11 to 26.05 (the releases' own logging calls; a row says where a release changed
its words). The first row that fits wins, so narrower rows stand first. A text that no row fits still names its job,
where it names one: `job_mentions.first_mention`.

Fed with texts without their envelope (`log_envelope`); what comes out becomes part of a `log_lines.LogLine`. To add a
kind: one row, and one line in tests/unit/slurm/test_log_kinds.py. The shapes' language is that of `line_shapes`.
"""

from __future__ import annotations

from slurmlens.log_lines import LineFact
from slurmlens.slurm.line_shapes import first_fact, line_kind

_A_STEP_ON = "*** {JOB <old:n>|STEP <stepjob:n>.<step>} ON <node>"

KINDS = (
    # a job begins
    line_kind(
        "job_submitted",
        "_slurm_rpc_submit_batch_",
        "_slurm_rpc_submit_batch_{het_}?job: <J>{ InitPrio=<priority:n>}?{ usec=<duration_us:n>}?",
    ),
    line_kind("job_started", "Allocate ", "Allocate <J> NodeList=<nodes> #CPUs=<cpu_count:n> Partition=<partition>"),
    # 26.05 says it only with DebugFlags=HetJob
    line_kind("job_started", "_start_job: ", "sched/backfill: _start_job: Started <J> in <partition> on <nodes>"),
    line_kind("job_allocated", "allocated nodes:", "<J> allocated nodes:<nodes> err:<code:n>"),
    # 25.11 without the word job
    line_kind("batch_launched", "Launching batch", "Launching batch <J> for UID <user_id:n>"),
    line_kind(
        "step_launched",
        "launch task ",
        "launch task {<het_step> (}?<J>{)}? request from UID:<user_id:n> GID:<group_id:n> HOST:<host> PORT:<port:n>",
    ),
    # 20.02 and before
    line_kind(
        "step_launched",
        "launch task ",
        "launch task <old:n>.<step> request from <user_id:n>.<group_id:n>@<host> (port <port:n>)",
    ),
    line_kind("program_not_run", "execve(): bad", "execve(): bad interpreter(<program:text>): <problem:rest>"),
    line_kind("program_not_run", "execve(): ", "execve(): <program:text>: <problem:rest>"),
    line_kind("job_killed_before_launch", "already killed", "<J> already killed, do not launch"),
    line_kind("job_not_startable", "non-startable", "Killing non-startable batch <J>: <problem:rest>"),
    # hooks
    line_kind("hook_slow", " ran for ", "{prolog|epilog} for <J> ran for <duration_s:n> seconds"),
    line_kind("prolog_failed", "prolog failed status=", "<J> prolog failed status=<exit_code:n>:<signal:n>"),
    line_kind("epilog_failed", "epilog failed status=", "<J> epilog failed status=<exit_code:n>:<signal:n>"),
    line_kind("controller_hook_failed", "exit status ", "<J> <script> exit status <exit_code:n>:<signal:n>"),
    line_kind("controller_hook_timed_out", " timed out", "{prolog_slurmctld|epilog_slurmctld} <J> <script> timed out"),
    line_kind(
        "node_drained_by_prolog",
        "env setup failure",
        "Prolog or job env setup failure on node <node>, draining the node",
    ),
    line_kind("epilog_error", "epilog error", "epilog error <J> Node=<node> Err=<problem:rest>"),
    line_kind("epilog_error", "epilog error", "<J> epilog error on <node>, draining the node"),
    # tasks and memory
    line_kind("task_ended", "exited with", "task <rank:n> (<pid:n>) exited with exit code <exit_code:n>"),
    line_kind("task_ended", "exited with", "task <rank:n> (<pid:n>) exited with status <status>"),
    line_kind("task_ended", "Killed by signal", "task <rank:n> (<pid:n>) exited. Killed by signal <signal:n>"),
    line_kind("task_out_of_memory", "Out Of Memory (OOM)", "task <rank:n> (<pid:n>) Out Of Memory (OOM)"),
    # 20.11 "oom-kill event(s)", 23.02 "oom_kill event" or "oom_kill events"
    line_kind("oom_kill", "Detected ", "Detected <count:n> {oom-kill|oom_kill} event{(s)|s}? in <J>"),
    line_kind("memory_limit_touched", "hit memory", "<J> hit memory{+swap}? limit at least once"),
    line_kind(
        "memory_limit_exceeded",
        "exceeded memory limit",
        "<J> exceeded memory limit (<used:n>{ > |>}<limit:n>)",
    ),
    # how a step ended, in the job's own output as well
    line_kind("step_cancelled", " CANCELLED AT ", _A_STEP_ON + " CANCELLED AT <at> DUE {TO|to} <cause:text> ***"),
    line_kind("step_cancelled", " CANCELLED AT ", _A_STEP_ON + " CANCELLED AT <at> ***"),
    line_kind("step_failed", " FAILED (", _A_STEP_ON + " FAILED (<problem:text>) ***"),
    line_kind("step_memory_error", "UNCORRECTABLE MEMORY ERROR", _A_STEP_ON + " <words:text> ***"),
    line_kind(
        "step_unkillable",
        "NOT ENDING WITH SIGNALS",
        "*** JOB <old:n> STEPD TERMINATED ON <node> AT <at> DUE TO JOB NOT ENDING WITH SIGNALS",
    ),
    # 23.11 says step
    line_kind("step_done", "done with ", "done with {job|step}{ (<problem:text>)}?"),
    line_kind("signal_sent", "ignal ", "{Sent|container} signal <signal:n> to <J>"),
    # a job ends
    line_kind("job_exited", "WEXITSTATUS", "_job_complete: <J> WEXITSTATUS <exit_code:n>"),
    line_kind("job_signalled", "WTERMSIG", "_job_complete: <J> WTERMSIG <signal:n>"),
    line_kind("job_out_of_memory", "OOM failure", "_job_complete: <J> OOM failure"),
    line_kind("job_requeued", "_job_complete: requeue", "_job_complete: requeue <J> <cause:rest>"),
    line_kind("job_node_failed", "cancelled by node failure", "_job_complete: <J> cancelled by node failure"),
    line_kind("job_ended_by_user", "cancelled by interactive", "_job_complete: <J> cancelled by interactive user"),
    line_kind("job_done", "_job_complete: ", "_job_complete: <J> done"),
    line_kind("job_cancel_asked", "REQUEST_KILL_JOB", "REQUEST_KILL_JOB <J> uid <user_id:n>"),
    # as typed: a list of tasks names no one job
    line_kind("job_cancel_asked", "REQUEST_KILL_JOB", "REQUEST_KILL_JOB JobId=<which> uid <user_id:n>"),
    line_kind("job_time_limit", "Time limit exhausted", "Time limit exhausted for <J>"),
    line_kind("job_preempted", "preempted ", "preempted <J> has been <how>"),
    line_kind("job_node_failed", "on failed node", "Killing <J> on failed node <node>"),
    line_kind("job_requeued", "due to failure of node", "requeue {job }?<J> due to failure of node <node>"),
    line_kind("batch_script_vanished", "missing from batch node", "Batch <J> missing from batch node <node> ("),
    line_kind(
        "wrong_node_answers",
        "sent from wrong node",
        "Batch completion for <J> sent from wrong node (<node> rather than <expected>)",
    ),
    line_kind("completing_long", "completion process took", "<J> completion process took <duration_s:n> seconds"),
    line_kind("terminate_resent", "Resending TERMINATE_JOB", "Resending TERMINATE_JOB request <J> Nodelist=<nodes>"),
    # nodes
    line_kind("nodes_down", "setting DOWN", "Nodes <nodes> not responding, setting DOWN"),
    line_kind("nodes_silent", "not responding", "Nodes <nodes> not responding"),
    line_kind("node_back", "now responding", "Node <node> now responding"),
    line_kind("node_back", "returned to service", "node <node> returned to service"),
    line_kind(
        "node_rebooted",
        "unexpectedly rebooted",
        "Node <node> unexpectedly rebooted boot_time=<boot_time_s:n> last response=<last_response_s:n>",
    ),
    line_kind("node_state_set", "state set to", "node <node> state set to <state>"),
    line_kind("node_reason_set", "reason set to", "node <node> reason set to: <reason:rest>"),
    # 20.11 "(<a> < <b>)"
    line_kind("node_too_small", " has low ", "Node <node> has low <what> size (<size:n>{ / | < }<wanted:n>)"),
    line_kind("hardware_differs", "differs from hardware", "configuration differs from hardware: <difference:rest>"),
    # up to 21.08 "health_check: exited with status 0x…"
    line_kind("health_check_failed", "health_check", "health_check failed: rc:<exit_code:n> output:<output:rest>"),
    line_kind("health_check_failed", "health_check", "health_check killed by signal <signal:n> output:<output:rest>"),
    line_kind("health_check_failed", "health_check", "health_check didn't run: status:<code> reason:<problem:rest>"),
    line_kind("health_check_failed", "health_check", "health_check: exited with status <status>"),
    line_kind("node_powering", "powering ", "powering {up|down} node <node>"),
    # up to 23.11 "marking down and power_save", 24.05 "setting DOWN and POWERED_DOWN"
    line_kind("node_not_resumed", "ResumeTimeout(", "node <node> not resumed by ResumeTimeout(<limit_s:n>)"),
    line_kind("orphan_step", "Orphan ", "Orphan <J> reported on node <node>"),
    line_kind("duplicate_job", "Duplicate jobid", "Duplicate jobid on nodes <nodes>, set to state DRAIN"),
    # 25.05 "Node(s)" alone
    line_kind(
        "node_error_for_job",
        "lurmd error running",
        "lurmd error running <J> {on|from} Node{(s)}?{=| }<nodes>: <problem:rest>",
    ),
    # the cluster's services
    line_kind(
        "credential_refused",
        "Invalid job credential",
        "Invalid job credential from <user_id:n>@<host>: <problem:rest>",
    ),
    line_kind("credential_refused", "Munge decode failed", "Munge decode failed: <problem:rest>"),
    line_kind("credential_time", "CODED: ", "{ENCODED|DECODED}: <at:rest>"),
    line_kind(
        "controller_slow",
        "very large processing time",
        "very large processing time from <where:text>: usec=<duration_us:n>",
    ),
    line_kind("accounting_lost", "agent queue is full", "agent queue is full (<count:n>), discarding <what> request"),
    line_kind("accounting_behind", "agent queue filling", "agent queue filling (<count:n>)"),
    line_kind("accounting_job_started", "DBD_JOB_START", "DBD_JOB_START: START CALL <J> NAME:<job_name:text> INX:"),
    line_kind("accounting_job_ended", "DBD_JOB_COMPLETE", "DBD_JOB_COMPLETE: <J>"),
    line_kind("accounting_step_ended", "DBD_STEP_COMPLETE", "DBD_STEP_COMPLETE: <J>"),
    line_kind(
        "accounting_node_down",
        "DBD_NODE_STATE_DOWN",
        "DBD_NODE_STATE_DOWN: NODE:<node> STATE:<state> REASON:<reason:text> UID:<user_id:n>",
    ),
    # srun, in a job's output
    line_kind("task_ended", "Exited with exit code", "<nodes>: task{s}? <tasks>: Exited with exit code <exit_code:n>"),
    line_kind("task_out_of_memory", ": Out Of Memory", "<nodes>: task{s}? <tasks>: Out Of Memory"),
    line_kind("step_node_failed", "Node failure on", "Node failure on <nodes>"),
    line_kind("step_aborted", "Job step aborted", "Job step aborted: <problem:rest>"),
)


def understand(text: str) -> LineFact | None:
    """The fact in a text of one of Slurm's daemons; None where no row fits."""
    return first_fact(KINDS, text)
