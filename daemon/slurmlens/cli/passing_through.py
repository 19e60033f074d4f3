"""Runs a program between whose output and its reader we stand, so that neither notices.

Owns the pipes and the signals. Invariants: every byte goes on at once, in the order it came (also between standard
output and error where both go to one place); the exit status is the program's, and what kills it by a signal kills
this process by the same; a signal that only this process got is passed on, one that the kernel or Slurm sent to the
whole step is not sent twice; a program that leaves something running behind does not keep its caller waiting. Used by
`slurmlens watch`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

MAX_LINE_BYTES = 65_536
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
NOT_FOUND = 127

LineSeen = Callable[[bytes], None]


class LineSplitter:
    """Hands on whole lines of a stream; a carriage return ends one, too, as progress bars have it."""

    def __init__(self, seen: LineSeen) -> None:
        self._seen = seen
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Take what came; a line that is too long is looked at in parts."""
        lines = (self._rest + piece).replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            if line:
                self._seen(line)

    def end(self) -> None:
        """There is no more: the last line may lack its end."""
        if self._rest:
            self._seen(self._rest)


def run_watched(command: Sequence[str], seen: LineSeen) -> int:
    """Run the program and have `seen` look at every line it prints; its exit status."""
    pipes = _Pipes(seen)
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    try:
        child = subprocess.Popen(
            command, stdout=pipes.out, stderr=pipes.err, preexec_fn=_unblock, restore_signals=False
        )
    except OSError as error:
        print(f"slurmlens watch: {command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else 126
    pipes.close_writing()
    threading.Thread(target=_pass_signals_on, args=(child.pid,), daemon=True).start()
    status = pipes.pass_on(child)
    if status < 0:
        _die_of(-status)
    return status


class _Pipes:
    """What the program writes into, and where it goes on to."""

    def __init__(self, seen: LineSeen) -> None:
        self._targets: dict[int, int] = {}
        self._splitters: dict[int, LineSplitter] = {}
        self._seen = seen
        self.out = self._pipe(1)
        self.err = self.out if _same_place(1, 2) else self._pipe(2)

    def _pipe(self, target: int) -> int:
        reading, writing = os.pipe()
        self._targets[reading] = target
        self._splitters[reading] = LineSplitter(self._seen)
        return writing

    def close_writing(self) -> None:
        """The program has them now."""
        for descriptor in {self.out, self.err}:
            os.close(descriptor)

    def pass_on(self, child: subprocess.Popen[bytes]) -> int:
        """Until the program has ended and what it wrote has gone on."""
        with selectors.DefaultSelector() as selector:
            for reading in self._targets:
                selector.register(reading, selectors.EVENT_READ)
            ended, ending = os.pipe()
            selector.register(ended, selectors.EVENT_READ)
            threading.Thread(target=_close_after, args=(child, ending), daemon=True).start()
            while ended in selector.get_map():
                for key, _ in selector.select():
                    if key.fd == ended:
                        selector.unregister(ended)
                    else:
                        self._move(key.fd, selector)
            self._drain(selector)
            if selector.get_map() and os.fork() == 0:  # something it left behind still writes: not its caller's affair
                while selector.get_map():
                    for key, _ in selector.select():
                        self._move(key.fd, selector)
                os._exit(0)
        return child.wait()

    def _drain(self, selector: selectors.BaseSelector) -> None:
        """What is there already."""
        while ready := selector.select(0):
            for key, _ in ready:
                self._move(key.fd, selector)

    def _move(self, reading: int, selector: selectors.BaseSelector) -> None:
        piece = os.read(reading, 65_536)
        if not piece:
            selector.unregister(reading)
            self._splitters[reading].end()
            return
        _write_all(self._targets[reading], piece)
        self._splitters[reading].feed(piece)


def _write_all(target: int, piece: bytes) -> None:
    """Where nobody reads any more this process dies of SIGPIPE, and the program of its next line, as without us."""
    while piece:
        try:
            piece = piece[os.write(target, piece) :]
        except BrokenPipeError:
            _die_of(signal.SIGPIPE)


def _same_place(first: int, second: int) -> bool:
    """Whether two descriptors are one file."""
    try:
        return os.path.sameopenfile(first, second)
    except OSError:
        return False


def _unblock() -> None:
    """In the program before it begins: signals as this process found them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _pass_signals_on(pid: int) -> None:
    """A signal of the user's own reached this process alone; the kernel's (from a terminal) and Slurm's, which is
    root's, went to the program as well."""
    own = os.getuid()
    while True:
        info = signal.sigwaitinfo(PASSED_ON)
        if info.si_code <= 0 and info.si_uid == own:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, info.si_signo)


def _close_after(child: subprocess.Popen[bytes], descriptor: int) -> None:
    child.wait()
    os.close(descriptor)


def _die_of(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its own
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
