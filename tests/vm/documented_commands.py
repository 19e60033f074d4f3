"""The commands that docs/installation.md tells people to type, taken out of its text. Pure."""

from __future__ import annotations

import re

PROGRAMS = ("systemctl", "slurmlens", "journalctl", "scontrol", "install", "rm")
"""What begins a command of the page; `make` and `rpmbuild` are for the machine that builds, where the tests run."""
PLACEHOLDERS = {"10.0.0.1": "127.0.0.1", "HUB": "127.0.0.1", "4711": "1", "ROLE": "node"}


def commands(page: str) -> list[str]:
    """Each once, in the page's order: whole indented lines and what stands between backticks."""
    found = []
    for line in page.splitlines():
        written = [line.strip()] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
        found += [one for one in written if one.split()[0] in PROGRAMS and len(one.split()) > 1]
    return list(dict.fromkeys(found))


def runnable(command: str) -> str:
    """With the virtual machine's names where the page has made-up ones."""
    for word, actual in PLACEHOLDERS.items():
        command = command.replace(word, actual)
    return command
