"""The entry point of `slurmlens-node`: leaves OpenSSL out of the process, then hands over to `main`.

asyncio and hashlib load OpenSSL where they find it; the node daemon speaks no TLS yet and hashes with Python's own
SHA-256, so 5 of its 27 MiB would be a library that it never calls (ADR 9). Owns nothing else; must come before the
first import of asyncio, therefore a module of its own.
"""

from __future__ import annotations

import sys

OPENSSL_MODULES = ("ssl", "_hashlib")


def main() -> int:
    """Run the node daemon; returns the exit status."""
    for name in OPENSSL_MODULES:
        # None makes `import` fail with ImportError, for which asyncio and hashlib have their way without it.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from slurmlens.node import main as program

    return program.main()


if __name__ == "__main__":
    sys.exit(main())
