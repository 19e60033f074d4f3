"""The entry point of `slurmlens-node`: reads the settings, keeps the process small (ADR 9 and 19), then runs `main`.

All of it must come before the first import of asyncio, therefore a module of its own. OpenSSL is left out where no sink
needs it: asyncio and hashlib load it where they find it, and without TLS the daemon hashes with Python's own SHA-256
only. All threads take their memory from one heap. What dependencies import without need is kept from them.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from types import ModuleType

from slurmlens.config.load import load_node
from slurmlens.errors import ConfigError
from slurmlens.node.options import parse

OPENSSL_MODULES = ("ssl", "_hashlib")
EXIT_CONFIG = 2
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Both of `malloc.h`."""
LARGE_BYTES = 128 * 1024
"""What is larger (a batch, a request's body) gets pages of its own and gives them back. It is what glibc begins with;
by itself it would soon take such things from the heap, which keeps what it had at the worst moment."""
NOT_NEEDED_BY_US = ("typing_extensions",)
"""msgspec takes it where it is installed; what it wants of it, Python has since 3.11. Kafka's client must have it."""
STAND_INS = {
    "decimal": ("Decimal",),
    "uuid": ("UUID", "SafeUUID"),
    "msgspec.inspect": (),
    "msgspec._json_schema": ("schema", "schema_components"),
}
"""What msgspec imports for kinds of values and questions that no event and no setting has, with the names that it looks
up: two thirds of a MiB. The first two are whole libraries."""


def main() -> int:
    """Run the node daemon; returns the exit status."""
    _share_one_heap()
    _find_no_libraries()
    for name in NOT_NEEDED_BY_US:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    _stand_in()
    options = parse()
    try:
        config = load_node(options.config)
    except ConfigError as error:
        print(f"slurmlens-node: {error}", file=sys.stderr)  # noqa: T201  # before there is a log
        return EXIT_CONFIG
    if not config.sinks.needs_openssl:
        for name in OPENSSL_MODULES:
            # None makes `import` fail with ImportError, for which asyncio and hashlib have their way without it.
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from slurmlens.node import main as program

    _allow(NOT_NEEDED_BY_US)
    _allow_real_ones()
    return program.main(config, options.config)


def _allow(names: Iterable[str]) -> None:
    """What is imported from now on (a sink's client, where one is configured) does need it."""
    for name in names:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]


def _share_one_heap() -> None:
    """No heap for each thread: what one gives back, another can use. The threads work in turn, so none waits for it."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # of glibc alone
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def _stand_in() -> None:
    """Empty classes under the names that msgspec looks up, instead of what it would import."""
    for module, names in STAND_INS.items():
        stand_in = ModuleType(module)
        for name in names:
            setattr(stand_in, name, type(name, (), {"unknown": None}))  # `SafeUUID.unknown` is asked for
        sys.modules.setdefault(module, stand_in)


def _allow_real_ones() -> None:
    """What is imported from now on (a sink's client) has the real ones; msgspec keeps what it found."""
    for module in STAND_INS:
        sys.modules.pop(module, None)


def _find_no_libraries() -> None:
    """A `ctypes.util` that knows none: asyncinotify then takes the libc that is here, and runs no ldconfig for it."""
    finder = ModuleType("ctypes.util")
    finder.find_library = lambda name: None  # type: ignore[attr-defined]
    ctypes.util = sys.modules.setdefault(finder.__name__, finder)


if __name__ == "__main__":
    sys.exit(main())
