"""The entry point of `slurmlens-node`: leaves OpenSSL out of the process where no sink needs it, then runs `main`.

asyncio and hashlib load OpenSSL where they find it; without TLS the daemon hashes with Python's own SHA-256 only, so 5
of its 27 MiB would be a library that it never calls (ADR 9). Owns nothing else; must come before the first import of
asyncio, therefore a module of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from slurmlens.config.load import load_node
from slurmlens.errors import ConfigError
from slurmlens.node.options import parse

OPENSSL_MODULES = ("ssl", "_hashlib")


def main() -> int:
    """Run the node daemon; returns the exit status."""
    options = parse()
    if not _needs_openssl(options.config):
        for name in OPENSSL_MODULES:
            # None makes `import` fail with ImportError, for which asyncio and hashlib have their way without it.
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from slurmlens.node import main as program

    return program.main()


def _needs_openssl(path: Path) -> bool:
    try:
        return load_node(path).sinks.needs_openssl
    except ConfigError:
        return False  # `main` says what is wrong


if __name__ == "__main__":
    sys.exit(main())
