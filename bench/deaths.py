"""Ways to die on a real Slurm, each with its label: what the jobs are that `causes` submits.

Owns the scripts and the labels: what truly ended the job, by whoever wrote it down before it was run. `$PROGRAMS` holds
`crash`, `mpi_abort` and `grow`. A death that somebody has to bring about (a cancel, a node that is lost) names the
`Deed`; `causes` does it. The node of a death is chosen by its partition.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from slurmlens.hub.views.job.cause_rules import CauseKind

LOW, HIGH, UNLUCKY, FAULTY, LOST = "low", "high", "unlucky", "faulty", "lost"


class Deed(enum.Enum):
    """What is done to a job once it runs (or waits)."""

    NOTHING = "nothing"
    CANCEL = "its owner cancels it"
    ROOT_CANCELS = "root cancels it"
    CANCEL_WAITING = "its owner cancels it before it begins"
    CANCEL_STEP = "its owner cancels its step"
    CANCEL_KILL = "its owner cancels it by SIGKILL"
    PREEMPT = "a job of a higher partition takes its place"
    NODE_DOWN = "an administrator sets its node down"
    NODE_DIES = "slurmd and slurmstepd of its node are killed, and slurmd starts anew"


@dataclass(frozen=True)
class Death:
    """A job that will die, and of what."""

    cause: CauseKind
    variant: str
    script: str
    options: tuple[str, ...] = ()
    deed: Deed = Deed.NOTHING


_WORK = "while :; do n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done; sleep 0.3; done"
"""A tenth of a core, for as long as it is let."""
_A_WHILE = "n=0; while [ $n -lt 200000 ]; do n=$((n+1)); done"
_SAY = 'say() { logger --socket "/run/slurmlens-node/$SLURMD_NODENAME/log" -t "slurm_$SLURM_JOB_ID" -- "$*"; }\n'
_MINUTE, _TWO_MINUTES = ("--time=1",), ("--time=2",)
"""The page says of a run that it stood still from a minute on."""
_GREEDY = ("--mem=60",)
_FULL_DISK = 'python3 -c \'open("/dev/full", "w").write("x" * 99999)\''


def all_deaths() -> Iterator[Death]:
    """Those that take longest first."""
    for deaths in (
        *(_time_limit, _stood_still, _node_lost, _faulty_node, _preempted, _launch, _job_memory, _cancelled),
        *(_crash, _not_found, _program, _file_system, _not_known),
    ):
        yield from deaths()


def _time_limit() -> Iterator[Death]:
    kind = CauseKind.TIME_LIMIT
    yield Death(kind, "a script at work", _WORK, _MINUTE)
    yield Death(kind, "a step at work", f"srun sh -c '{_WORK}'", _MINUTE)
    yield Death(kind, "on two nodes", f"srun sh -c '{_WORK}'", (*_MINUTE, "-N2"))
    yield Death(kind, "it ends well when told to", f"trap 'exit 0' TERM; {_WORK}", _MINUTE)
    yield Death(kind, "it fails when told to end", f"trap 'exit 3' TERM; {_WORK}", _MINUTE)
    yield Death(
        kind, "its step crashes when told to end", f"srun sh -c 'trap \"kill -SEGV $$\" TERM; {_WORK}'", _MINUTE
    )
    yield Death(kind, "a limit of its step", f"srun --time=1 sh -c '{_WORK}'", ("--time=10",))


def _stood_still() -> Iterator[Death]:
    kind = CauseKind.STOOD_STILL
    work = f"b=$(date +%s); while [ $(($(date +%s) - b)) -lt 25 ]; do {_A_WHILE}; done"
    yield Death(kind, "a script that waits for ever", f"{work}; sleep 1000", _TWO_MINUTES)
    yield Death(kind, "a step that waits for ever", f"srun sh -c '{work}; sleep 1000'", _TWO_MINUTES)
    yield Death(kind, "a pipe that nobody writes to", f"{work}; mkfifo $SLURM_JOB_ID; cat $SLURM_JOB_ID", _TWO_MINUTES)
    yield Death(kind, "stopped", f"{work}; kill -STOP $$", _TWO_MINUTES)
    yield Death(kind, "a lock that another holds", f"{work}; flock lock sleep 1000 & wait", _TWO_MINUTES)


def _node_lost() -> Iterator[Death]:
    kind, there = CauseKind.NODE_LOST, ("-p", LOST, "--no-requeue")
    for deed in (Deed.NODE_DOWN, Deed.NODE_DIES):
        yield Death(kind, f"a script: {deed.value}", _WORK, there, deed)
        yield Death(kind, f"a step: {deed.value}", f"srun sh -c '{_WORK}'", there, deed)
        yield Death(kind, f"a script that sleeps: {deed.value}", "sleep 1000", there, deed)


def _faulty_node() -> Iterator[Death]:
    for number in range(6):
        code = 42 if number % 2 else 17
        yield Death(
            CauseKind.FAULTY_NODE,
            f"job {number + 1} of a node that fails all",
            f"{_A_WHILE}; exit {code}",
            ("-p", FAULTY),
        )


def _preempted() -> Iterator[Death]:
    kind = CauseKind.PREEMPTED
    yield Death(kind, "a script at work", _WORK, ("-p", LOW), Deed.PREEMPT)
    yield Death(kind, "one that sleeps", "sleep 1000", ("-p", LOW), Deed.PREEMPT)
    yield Death(kind, "a step", f"srun sh -c '{_WORK}'", ("-p", LOW), Deed.PREEMPT)
    yield Death(kind, "it ends well when told to", f"trap 'exit 0' TERM; {_WORK}", ("-p", LOW), Deed.PREEMPT)
    yield Death(kind, "it crashes when told to end", f"trap 'kill -SEGV $$' TERM; {_WORK}", ("-p", LOW), Deed.PREEMPT)


def _launch() -> Iterator[Death]:
    kind = CauseKind.LAUNCH
    yield Death(kind, "output into a folder that is not there", _A_WHILE, ("--output=/nowhere/%j",))
    yield Death(kind, "output into a folder of root's", _A_WHILE, ("--output=/root/%j",))
    yield Death(kind, "output that is a folder", _A_WHILE, ("--output=/tmp",))
    yield Death(kind, "input that is not there", _A_WHILE, ("--input=/nowhere/in",))
    yield Death(kind, "Prolog fails", _A_WHILE, ("-p", UNLUCKY, "--no-requeue"))
    yield Death(kind, "Prolog fails for one that may be requeued", _A_WHILE, ("-p", UNLUCKY, "--requeue"))


def _job_memory() -> Iterator[Death]:
    kind = CauseKind.JOB_MEMORY
    yield Death(kind, "a script", "exec $PROGRAMS/grow 400", _GREEDY)
    yield Death(kind, "a step", "srun $PROGRAMS/grow 400", _GREEDY)
    yield Death(kind, "Python", "exec python3 -c 'x = bytearray(300 << 20)'", _GREEDY)
    yield Death(kind, "a step, and the script fails by itself", "srun $PROGRAMS/grow 400 || exit 3", _GREEDY)
    yield Death(kind, "a child, and the script fails by itself", "$PROGRAMS/grow 400 || exit 1", _GREEDY)
    yield Death(
        kind,
        "one of two nodes",
        'srun sh -c "[ $SLURM_PROCID = 0 ] && sleep 20 || $PROGRAMS/grow 400"'.replace("$S", "\\$S"),
        (*_GREEDY, "-N2"),
    )


def _cancelled() -> Iterator[Death]:
    kind = CauseKind.CANCELLED
    yield Death(kind, "by its owner", _WORK, (), Deed.CANCEL)
    yield Death(kind, "by root", _WORK, (), Deed.ROOT_CANCELS)
    yield Death(kind, "one that sleeps", "sleep 1000", (), Deed.CANCEL)
    yield Death(kind, "by SIGKILL", f"srun sh -c '{_WORK}'", (), Deed.CANCEL_KILL)
    yield Death(kind, "its step alone", f"srun sh -c '{_WORK}'", (), Deed.CANCEL_STEP)
    yield Death(kind, "it crashes when told to end", f"trap 'kill -SEGV $$' TERM; {_WORK}", (), Deed.CANCEL)


def _crash() -> Iterator[Death]:
    kind = CauseKind.CRASH
    yield Death(kind, "SIGSEGV of the script itself", "exec $PROGRAMS/crash pointer")
    yield Death(kind, "SIGSEGV of a child", "$PROGRAMS/crash pointer")
    yield Death(kind, "SIGABRT", "exec $PROGRAMS/crash assertion")
    yield Death(kind, "SIGFPE", "$PROGRAMS/crash division")
    yield Death(kind, "SIGILL", "srun $PROGRAMS/crash instruction")
    yield Death(kind, "SIGBUS", "srun $PROGRAMS/crash bus")
    yield Death(kind, "a step, and the script fails by itself", "srun $PROGRAMS/crash pointer || exit 1")
    yield Death(kind, "Python, in C", "python3 -c 'import ctypes; ctypes.string_at(0)'")


def _not_found() -> Iterator[Death]:
    kind = CauseKind.NOT_FOUND
    yield Death(kind, "a command that is not there", "no_such_program")
    yield Death(kind, "a file that may not be run", "/etc/hostname")
    yield Death(kind, "a step that is not there", "srun no_such_program")
    yield Death(
        kind,
        "a library that is not there",
        "cp /bin/true t$SLURM_JOB_ID; sed -i s/libc.so.6/libz.so.9/ t$SLURM_JOB_ID; ./t$SLURM_JOB_ID",
    )
    yield Death(kind, "an interpreter that is not there", "#!/no/such/interpreter\n")
    yield Death(
        kind, "a module that is not loaded", f"{_A_WHILE}; module load gcc && gcc_that_is_not_there -c x.c; exit $?"
    )


def _program() -> Iterator[Death]:
    kind = CauseKind.PROGRAM
    yield Death(kind, "exit 1", f"{_A_WHILE}; exit 1")
    yield Death(kind, "exit 42 of a step", f"srun sh -c '{_A_WHILE}; exit 42'")
    yield Death(kind, "exit 255", f"{_A_WHILE}; exit 255")
    yield Death(kind, "Python's traceback", "python3 -c 'import json; json.loads(\"{\")'")
    yield Death(kind, "MPI_Abort", "srun -n2 --overcommit --mpi=pmi2 $PROGRAMS/mpi_abort 7", ("-n2",))
    yield Death(kind, "its own limit of memory", "ulimit -v 200000; python3 -c 'x = bytearray(900 << 20)'")
    yield Death(kind, "one step of three", "srun true && srun false && srun true")
    yield Death(kind, "a step whose failure the script passes over", "srun sh -c 'exit 9'; exit 4")


def _file_system() -> Iterator[Death]:
    kind = CauseKind.FILE_SYSTEM
    tell = "say 'OSError: [Errno 28] No space left on device'; exit 1"
    yield Death(kind, "disk full, told to the node's syslog", f"{_SAY}{_FULL_DISK} || {{ {tell}; }}")
    yield Death(
        kind,
        "quota, told to the node's syslog",
        f"{_SAY}{_A_WHILE}; say 'cp: writing data: Disk quota exceeded'; exit 1",
    )
    yield Death(
        kind,
        "read-only, told to the node's syslog",
        f"{_SAY}touch /sys/x || {{ say 'touch: /out/x: Read-only file system'; exit 1; }}",
    )
    yield Death(kind, "stale, told to the node's syslog", f"{_SAY}{_A_WHILE}; say 'open: Stale file handle'; exit 2")
    yield Death(kind, "disk full, told to nobody", _FULL_DISK)


def _not_known() -> Iterator[Death]:
    kind = CauseKind.NOT_KNOWN
    yield Death(kind, "SIGKILL by itself", f"{_A_WHILE}; kill -KILL $$")
    yield Death(kind, "SIGKILL in a step", f"srun sh -c '{_A_WHILE}; kill -KILL $$'")
    yield Death(kind, "SIGTERM by itself", f"{_A_WHILE}; kill -TERM $$")
    yield Death(kind, "137 of a child", f"{_A_WHILE}; sh -c 'kill -KILL $$'; exit $?")
    yield Death(kind, "SIGUSR1", f"{_A_WHILE}; kill -USR1 $$")
