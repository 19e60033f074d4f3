#!/usr/bin/env python3
"""Writes docs/operations.md from the internal events of all programs and what is to be done about each; tests compare.

Run it after a change to an internal event of level warning or error, or to a field of the status page. A line of the
journal that has no advice in `ADVICE` stops this program, and so does advice for a line that there is not any more.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import slurmlens
from slurmlens.hub.findings.claims import FindingKind
from slurmlens.telemetry.internal import InternalEvent

PAGE = Path(__file__).with_name("operations.md")
_OPTIONAL = ("slurmlens.slurm.pyslurm_source",)

ADVICE = {
    "account_people_not_told": "look at slurmdbd (`sacctmgr show assoc`); what was known holds meanwhile",
    "app_socket_unavailable": "create the folder (`RuntimeDirectory`), or another name",
    "audit_failed": "nothing at first: the day is tried again; if it stays, look at slurmdbd (`sacct -S`)",
    "audit_unexplained": "`slurmlens audit` lists the jobs; a difference that nothing explains is worth a report",
    "certificate_not_renewed": "mend the files that `[tls]` names; the former certificate is used until it ends",
    "cgroup_read_failed": "one such line is a cgroup that went; many: `slurmlens doctor`",
    "cgroups_unusable": "`slurmlens doctor` says what is mounted; jobs are seen by hooks alone meanwhile",
    "clock_is_wrong": "mend the clock (chrony): what the node tells stands at the wrong time",
    "cluster_differs": "give the same `cluster` here and in Slurm: both are told apart by it",
    "collector_devices_left_out": "raise `[collectors] devices_max`, or leave it: the first devices are told",
    "collector_failed": "report it with the file that it reads; or `[collectors] without`",
    "collector_hangs": "a device's driver hangs: look at `dmesg`; jobs are measured on",
    "connections_turned_away": "more peers than `[listen]` allows: find who opens them, or raise the bound",
    "consul_deregistration_failed": "nothing; the agent drops the service after its TTL",
    "consul_forgot_service": "nothing, unless it comes again and again: then the agent loses its data folder",
    "consul_job_keys_failed": "look at the agent; keys are written as soon as it answers",
    "consul_memory_unreadable": "nothing; the file is made anew",
    "consul_memory_unwritable": "free the disk, or the folder's rights",
    "consul_registration_failed": "look at the agent (`consul members`), its token and address",
    "consul_service_without_instances": "start the service, or mend its health check; points wait in the spool",
    "consul_settings_refused": "mend the key in the KV: the line names it",
    "consul_watch_failed": "look at the agent; the last answer stays good",
    "controller_hook_events_foreign": "give the same `cluster` here and in Slurm: another slurmctld writes there",
    "controller_hook_events_not_kept": "nothing while the database comes back: the files stay and are read again",
    "controller_user_unknown": "set `slurm_user` in `[slurm]` to the SlurmUser of slurm.conf",
    "dropbox_not_released": "look at the folder's rights; the event is sent again, and is known by its id",
    "dropbox_other_node": "give each NodeName a folder of its own, or set `node`",
    "dropbox_overflowed": "nothing; if often, raise `fs.inotify.max_queued_events`",
    "dropbox_refused": "a file that no hook of ours wrote, or of a newer release: look at it where it was set aside",
    "dropbox_unavailable": "`systemctl start run-slurmlens-events.mount`, `systemd-tmpfiles --create`",
    "dropbox_unreadable": "look at the file's owner and rights",
    "dropbox_variable_cut": "nothing; a user's variable is longer than is kept",
    "dropbox_variable_unusable": "nothing; a user set a variable of Slurm's to something else",
    "dropbox_without_inotify": "raise `fs.inotify.max_user_instances`",
    "finding_runs_left_out": "nothing at once; if it lasts, the hub is too small for that many short jobs",
    "findings_begun": "open the finding: `slurmlens findings`, `/findings`",
    "gpus_hang": "`nvidia-smi` on the node will hang as well: drain it, look at `dmesg` for Xid, reboot",
    "gpus_odd": "report it with the driver's version; the other figures hold",
    "gpus_unread": "run `slurmlens-probe` by hand on the node; NVML and the driver may be of different releases",
    "hook_event_abandoned": "a Prolog or Epilog was killed: look at slurmd's log",
    "hook_events_lost": "the dropbox was full or missing: `df /run/slurmlens/events`, and why the daemon was away",
    "http_requests_failed": "report it with the request; others are served",
    "http_requests_malformed": "a scanner, or another program's port: find the peer",
    "http_requests_turned_away": "the line says why: rights, size, or too many at once",
    "http_tls_failed": "the peer's CA, name or clock is wrong",
    "hub_database_of_before_gone": "moved, or its disk not mounted? Stop the hub and put it back",
    "hub_database_will_not_last": "put `[database] url` on a local disk",
    "hub_ended": "report it; systemd starts it again, and nothing that was accepted is lost",
    "hub_refused_lines": "an event that the hub will never take: a hub older than the node? Update the hub first",
    "hub_silence_failed": "make the flag's folder writable for the daemon; until then hooks and plugin speak on",
    "hub_silence_told": "nothing: `[silence]` in hub.toml says so, and takes it back",
    "ingest_lines_refused": "of one node: update or mend that node; of all: the hub is older than they",
    "ingest_requests_refused": "the node cannot prove itself: MUNGE key, clock, or its name in `[auth]`",
    "instruction_failed": "report it; the job is summed up without it",
    "inventory_problems": "mend the source that it names (topology file, ibnetdiscover); the last state holds",
    "inventory_services_left_out": "nothing, unless a service that you look for is missing",
    "inventory_services_unasked": "look at Consul's agent; what was known stays",
    "job_unmeasured": "report it; the job's other facts are there",
    "kafka_group_left": "look at the brokers; the hub joins again",
    "kafka_records_refused": "another program writes to this topic",
    "kafka_refused_lines": "raise `message.max.bytes` of the topic, or mend its ACL",
    "known_problems_left_out": "mend the file: `slurmlens validate` names line and key",
    "log_days_not_forgotten": "free the disk; tried again within the hour",
    "log_file_on_network": "give a local path; a server that hangs would hold the daemon",
    "log_file_rotated_away": "rotate by rename, and keep one old file for as long as the daemon may be away",
    "log_file_truncated": "rotate by rename (`create`, not `copytruncate`)",
    "log_file_unreadable": "give the daemon the right: group `adm`, or an ACL",
    "log_journal_ended": "nothing, unless it comes again and again: `journalctl --verify`",
    "log_journal_gap": "the journal is too small for how long the daemon was away: `SystemMaxUse=`",
    "log_journal_unavailable": "install systemd's `journalctl`, or switch the input off",
    "log_lines_not_completed": "look at the hub's database; lines are there without their job, and completed later",
    "log_lines_not_finished": "nothing; these lines stay without their job",
    "log_lines_refused": "an older hub, or a program that sends no text",
    "log_positions_unreadable": "nothing; the file is made anew",
    "log_positions_unwritable": "free the disk of the spool",
    "log_series_lines_too_late": "raise `[log_series] late_s`, or mend the clocks",
    "log_series_not_recounted": "look at the log store",
    "log_socket_unavailable": "another program has the address: change it, or stop that one",
    "log_streams_refused": "raise the bound, or find who opens so many",
    "looks_lost": "mend the database: pages were shown that are in no log of looks",
    "looks_not_written": "look at the database; tried again",
    "mail_failed": "the receiver's address, or what its server said; the report is on `/reports`",
    "mail_waits": "the SMTP server is away; tried again for three days",
    "node_ended": "report it; systemd starts it again, running jobs go on being measured",
    "node_refused": "the line says what to mend; `slurmlens validate` says all of it",
    "node_retreated": "look at `slurmlens status`; a site that wants it raises `[sampling] retreat_share`",
    "node_silenced": "somebody set the flag file; remove it to go on",
    "notices_not_sent": "the webhook or SMTP server of that user; tried again",
    "own_figures_left_out": "nothing; the daemon's own figures are bounded",
    "profiles_unreadable": "update the hub to at least the nodes' release",
    "prometheus_unavailable": "another program has the address of `[telemetry] prometheus`",
    "queue_dropped_lines": "a receiver was away for longer than the spool holds: mend it, or raise `[spool]` bounds",
    "readers_refused": "who may not see it, or cannot prove himself; many of one peer: look",
    "readers_turned_away": "a program asks for many pages at once: find it",
    "relay_ended": "report it; nodes keep what it has not acknowledged",
    "relay_lines_refused": "as `ingest_lines_refused`, at the relay",
    "relay_metrics_refused": "another program sends to the relay's carbon port",
    "relay_requests_refused": "as `ingest_requests_refused`, at the relay",
    "runs_refresh_failed": "report it with the job id; other jobs are not touched",
    "sampler_failed": "report it; the next tick is as planned",
    "scheduler_cluster_foreign": "set `cluster` to Slurm's ClusterName, here and on the nodes",
    "scheduler_failures": "look at slurmctld and slurmdbd; the hub asks less often while they fail",
    "scheduler_fields_unknown": "Slurm is newer than this release: update; the field counts as not known",
    "scheduler_records_refused": "report it with `squeue --json` of one such job",
    "scheduler_statistics_not_told": "look at slurmctld (`sdiag`); the other figures hold",
    "settings_refused": "mend the line that it names, then reload again; the former settings hold",
    "sighting_file_unreadable": "nothing; jobs are found from the cgroup tree",
    "sighting_file_unwritable": "free the disk of the spool",
    "sink_failed": "look at the receiver; lines wait in the spool in their order",
    "sink_lost_lines": "the receiver refuses these lines for ever: the line says why",
    "software_unread": "look at the package database that it names; what was told before stays",
    "spool_aside_removed": "nothing",
    "spool_failed": "free or mend the disk of `[spool] path`; nothing that was accepted is lost",
    "spool_hangs": "look at the disk (`dmesg`, SMART)",
    "spool_memory_only": "set `[spool] path` to a local disk",
    "spool_set_aside": "keep the file for us, and look at the disk; what it held is not sent",
    "spool_totals_unreadable": "nothing; a few drops are not reported",
    "spool_totals_unwritable": "free the disk",
    "spool_volatile": "as wished on nodes without a disk; else set `[spool] path`",
    "stage_failed": "report it if it comes again; the stage is started anew",
    "status_socket_unavailable": "create the folder: `RuntimeDirectory` of the unit",
    "step_unplaced": "nothing; the step came after its job's sum",
    "stopped_with_backlog": "nothing; the spool has them, and the next start sends them",
    "worker_leads_no_more": "nothing, unless two change often: then the network to the database is not well",
    "workflow_service_away": "look at Galaxy; triggers wait",
    "workflows_failed": "open the workflow's history in Galaxy; it is tried again",
}

FINDINGS = {
    FindingKind.FAILING_NODE: "drain the node, run its health check, confirm or dismiss the finding",
    FindingKind.ODD_NODE: "look at the node's page: heat, lost lanes, a foreign process; drain it where it stays so",
    FindingKind.EVENT_RATE: "read the lines behind it (`slurmlens logs --node NODE`)",
    FindingKind.BROKEN_DEVICE: "drain the node and replace the device: such counters do not grow on sound ones",
    FindingKind.HELD_IDLE: "ask the user; where the site's rules allow it, cancel the job",
    FindingKind.STOPPED: "ask the user; a stopped job holds what others wait for",
    FindingKind.USED_OUTSIDE: "end the process (`slurmlens node NODE`); pam_slurm_adopt prevents it",
    FindingKind.UNLIKE_ITSELF: "look at fans, power supply, disks, left-over processes; dismiss what was meant",
    FindingKind.DRIFT: "bring the node to its group's state, or say why it differs (dismiss)",
    FindingKind.KNOWN_PROBLEM: "follow the guide on the finding's page; it ends when its verification passes",
}

INTRODUCTION = """# Operations

What slurmlens says when something needs a person, and what that person does. This page is generated
(`docs/generate_operations.py`): every line of the journal of level warning or error stands here, and a test sees to it.

## Looking at it

| question | where |
| --- | --- |
| is all well? | `slurmlens status` on a node, `slurmlens status --hub`, `/status` |
| is this machine set up well? | `slurmlens doctor`, `slurmlens setup` |
| does the settings file hold? | `slurmlens validate` |
| what did our programs say? | `journalctl -u slurmlens-node -p warning`, `journalctl -u slurmlens-hub -p warning` |
| of one job | `journalctl SLURM_JOB_ID=4711` |
| what is wrong with the cluster? | `slurmlens findings`, `/findings`, `/cluster` |

A line is said once for a trouble and again when it is over or an hour has passed; how often it happened is counted by
the same name (`slurmlens status --json`, and as a series, see [metrics](metrics.md)).

* **warning**: nothing is lost. It gets well by itself, or needs a person some day.
* **error**: something was lost, or a person is needed now.

An alert on any `*_lost*`, `*_dropped*`, `*_refused*` counter that grows, on a sink's backlog older than an hour, and
on a node that the hub has not heard of for ten minutes covers all of the errors below.

## Findings

"""


def events() -> dict[str, InternalEvent]:
    """Every internal event of level warning or error, by name."""
    found: dict[str, InternalEvent] = {}
    for module in pkgutil.walk_packages(slurmlens.__path__, "slurmlens."):
        if module.name in _OPTIONAL:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, InternalEvent) and value.level >= logging.WARNING:
                found[value.name] = value
    return found


def page() -> str:
    """The whole page; KeyError-free: SystemExit names what lacks advice."""
    known = events()
    if lacking := sorted(known.keys() - ADVICE.keys()):
        raise SystemExit(f"docs/generate_operations.py: ADVICE lacks {', '.join(lacking)}")
    if gone := sorted(ADVICE.keys() - known.keys()):
        raise SystemExit(f"docs/generate_operations.py: ADVICE has what there is not any more: {', '.join(gone)}")
    return INTRODUCTION + "\n".join((*_findings(), "", "## Lines of the journal", "", *_lines(known))) + "\n"


def _findings() -> Iterator[str]:
    yield from ("| finding | what to do |", "| --- | --- |")
    for kind in FindingKind:
        yield f"| `{kind.value}` | {FINDINGS[kind]} |"
    yield ""
    yield "What each stands on: [findings](findings.md)."


def _lines(known: dict[str, InternalEvent]) -> Iterator[str]:
    yield from ("| name | level | what it says | what to do |", "| --- | --- | --- | --- |")
    for name, event in sorted(known.items()):
        level = logging.getLevelName(event.level).lower()
        text = event.text.replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{name}` | {level} | {text} | {ADVICE[name]} |"


if __name__ == "__main__":
    PAGE.write_text(page())
