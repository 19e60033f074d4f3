"""The clock's offset as the kernel knows it from whoever synchronises it: adjtimex(2), asked and not set.

Chrony and systemd-timesyncd correct the clock through the kernel, ntpd too. The unit's filter of system calls refuses
the call unless a drop-in allows `@clock`: then there is no figure, and the hub's own comparison of clocks remains.
"""

import ctypes
from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

_UNSYNCHRONISED = 0x40
_NANOSECONDS = 0x2000
_LONGS = 32
"""struct timex has 26 words of that size at most (linux/timex.h); the rest is room."""


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`. The `files` of a made-up machine hold no clock, so there the kernel is not asked."""
    if not look.files.exists("proc/self/stat"):
        return
    # modes, offset, freq, maxerror, esterror, status: `modes` and `status` are ints with padding behind them.
    words = (ctypes.c_long * _LONGS)()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(words)) < 0:
        return
    status = words[5] & 0xFFFF_FFFF
    yield Sample("offset_seconds", "", words[1] * (1e-9 if status & _NANOSECONDS else 1e-6))
    yield Sample("error_max_seconds", "", words[3] * 1e-6)
    yield Sample("synchronised_count", "", float(not status & _UNSYNCHRONISED))
