"""Slurm's states, reasons, exit codes and signals in words.

Pure tables: which phase a state belongs to, the word, the shape and the tone it is shown with (a state is never shown
by colour alone), and what a pending reason or an exit code means to somebody who did not read Slurm's manual. Pending
reasons: squeue(1), JOB REASON CODES. Exit codes above 128: POSIX shells report a child killed by signal n as 128+n.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from slurmlens.hub.views.job.view import Phase
from slurmlens.slurm.records import JobState


@dataclass(frozen=True, slots=True)
class StateStyle:
    """How a state looks. `tone` names a colour of style sheet and terminal: good, bad, warn, active, idle."""

    word: str
    glyph: str
    tone: str


STATE_STYLES: dict[JobState, StateStyle] = {
    JobState.PENDING: StateStyle("pending", "○", "idle"),
    JobState.RUNNING: StateStyle("running", "▶", "active"),
    JobState.SUSPENDED: StateStyle("suspended", "‖", "idle"),
    JobState.COMPLETED: StateStyle("completed", "✓", "good"),
    JobState.CANCELLED: StateStyle("cancelled", "⊘", "idle"),
    JobState.FAILED: StateStyle("failed", "✕", "bad"),
    JobState.TIMEOUT: StateStyle("timeout", "◷", "warn"),
    JobState.NODE_FAIL: StateStyle("node failed", "■", "bad"),
    JobState.PREEMPTED: StateStyle("preempted", "⇤", "idle"),
    JobState.BOOT_FAIL: StateStyle("boot failed", "■", "bad"),
    JobState.DEADLINE: StateStyle("deadline", "◷", "warn"),
    JobState.OUT_OF_MEMORY: StateStyle("out of memory", "▲", "bad"),
    JobState.REQUEUED: StateStyle("requeued", "↻", "idle"),
    JobState.REVOKED: StateStyle("revoked", "⊘", "idle"),
    JobState.UNKNOWN: StateStyle("unknown", "?", "idle"),
}


def phase_of(state: JobState, *, started: bool, ended: bool) -> Phase:
    """Which question the reader has; an unknown state is judged by the times alone."""
    if state is JobState.PENDING:
        return Phase.PENDING
    if state is JobState.UNKNOWN:
        if ended:
            return Phase.ENDED
        return Phase.RUNNING if started else Phase.PENDING
    return Phase.ENDED if state.has_ended else Phase.RUNNING


PENDING_REASONS: dict[str, str] = {
    "Priority": "other jobs of higher priority come first",
    "Resources": "not enough of what it asks for is free yet",
    "Dependency": "another job that it depends on has not ended",
    "DependencyNeverSatisfied": "a job it depends on can never satisfy it any more: cancel it and submit anew",
    "BeginTime": "its begin time has not come (also after a requeue, for about two minutes)",
    "JobHeldUser": "its owner holds it: scontrol release starts it",
    "JobHeldAdmin": "an administrator holds it",
    "JobHoldMaxRequeue": "it was requeued too often and is held",
    "JobArrayTaskLimit": "as many tasks of its array run as its submitter allowed (%)",
    "ReqNodeNotAvail": "a node it asks for by name is down, drained or reserved",
    "Reservation": "its reservation has not begun",
    "Licenses": "the licences it asks for are in use",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "PartitionNodeLimit": "it asks for more nodes than its partition allows: change it or submit anew",
    "PartitionTimeLimit": "it asks for more time than its partition allows: change it or submit anew",
    "BadConstraints": "no node can ever satisfy what it asks for: submit anew",
    "NodeDown": "a node it needs is down",
    "NonZeroExitCode": "it failed",
    "launch_failed_requeued_held": "it could not be launched, was requeued and is held: an administrator must look",
    "job_requeued_in_held_state": "it was requeued and is held: scontrol release starts it",
    "Prolog": "its Prolog has not ended",
    "Cleaning": "its last run is being cleaned up",
    "InvalidAccount": "its account does not exist (any more)",
    "InvalidQOS": "its QOS does not exist (any more)",
    "MaxJobsPerAccount": "its account runs as many jobs as it may",
    "MaxSubmitJobsPerAccount": "its account has as many jobs as it may",
}

_REASON_FAMILIES: tuple[tuple[str, str], ...] = (
    ("QOSMax", "its QOS allows no more at once"),
    ("QOSGrp", "all jobs of its QOS together use what they may"),
    ("QOSMin", "it asks for less than its QOS demands: change it"),
    ("AssocGrp", "its account or user, all jobs together, uses what it may"),
    ("AssocMax", "its account or user allows no more at once"),
    ("MaxCpu", "its limit of CPUs is reached"),
    ("MaxMem", "its limit of memory is reached"),
    ("MaxNode", "its limit of nodes is reached"),
)


_LAUNCH_FAILED = "it could not be launched on its node, and Slurm holds it: scontrol release starts it again"


def pending_words(reason: str | None, reason_text: str | None = None) -> str | None:
    """Why it waits, in words, with Slurm's own name for it; None where Slurm gives no reason."""
    if not reason or reason == "None":
        return None
    words = PENDING_REASONS.get(reason)
    if reason_text is not None and reason_text.startswith("launch failed"):
        words = _LAUNCH_FAILED  # Slurm gives its own hold the owner's reason
    if words is None:
        words = next((text for prefix, text in _REASON_FAMILIES if reason.startswith(prefix)), reason_text)
    return f"{words} ({reason})" if words else reason


_SIGNAL_WORDS: dict[str, str] = {
    "SIGSEGV": "it touched memory that is not its own",
    "SIGBUS": "a bus error: a mapped file cut short, or memory that is gone",
    "SIGABRT": "it gave up itself: an assertion or an uncaught exception",
    "SIGFPE": "an arithmetic error, often a division by zero",
    "SIGILL": "an instruction this CPU does not know: built for another CPU?",
    "SIGKILL": "killed from outside",
    "SIGTERM": "asked to end from outside",
    "SIGXCPU": "over a CPU time limit",
    "SIGPIPE": "it wrote to a pipe nobody read",
}
_SLURM_MARKS: dict[int, str] = {
    53: "Slurm could not make its output or error file, or could not enter its working directory",
    125: "Slurm counts it as killed for memory",
}
"""What slurmd and slurmstepd say by a signal that no process was sent: 0:53 and 0:125."""

_SHELL_WORDS: dict[int, str] = {
    126: "found, but not executable",
    127: "command not found",
}
_SIGNAL_BASE = 128


def signal_name(number: int) -> str:
    """`SIGKILL`, or `signal 77` where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def slurm_mark_words(number: int) -> str | None:
    """What a signal in an exit code means that is Slurm's own mark; None for one that a process can have been sent."""
    return _SLURM_MARKS.get(number)


def signal_words(number: int) -> str:
    """`SIGSEGV: it touched memory that is not its own`."""
    name = signal_name(number)
    words = _SIGNAL_WORDS.get(name)
    return f"{name}: {words}" if words else name


def exit_words(code: int) -> str | None:
    """What an exit code usually means, where it means anything beyond the program's own choice."""
    if code in _SHELL_WORDS:
        return _SHELL_WORDS[code]
    if _SIGNAL_BASE < code < _SIGNAL_BASE + 65:
        return f"a process was ended by {signal_words(code - _SIGNAL_BASE)}"
    return None


def exit_text(code: int | None, number: int | None) -> str | None:
    """`42:0`, as Slurm writes it; None where it was not reported."""
    return None if code is None else f"{code}:{number or 0}"
