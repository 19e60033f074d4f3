"""How tests start the machine's own Chromium: Debian's, headless, and quiet on every network."""

from __future__ import annotations

import os
import shutil
from typing import Any

PROGRAM = shutil.which("chromium") or "/usr/bin/chromium"

_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Chromium's own sandbox refuses to run as root; the pages it sees here are ours.
_AS_ROOT = ("--no-sandbox",) if os.geteuid() == 0 else ()

LAUNCH: dict[str, Any] = {"executable_path": PROGRAM, "args": [*_QUIET, *_AS_ROOT]}
"""Arguments of playwright's `chromium.launch`."""
