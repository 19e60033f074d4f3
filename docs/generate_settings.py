#!/usr/bin/env python3
"""Writes docs/settings.md: every setting of every program, with its default, from the programs' own dataclasses.

Run it after a change to a setting (`slurmlens.config`); a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from slurmlens.config.render import SHIPPED, render

PAGE = Path(__file__).with_name("settings.md")
PROGRAMS = {
    "node.toml": "The node daemon: `/etc/slurmlens/node.toml`",
    "hub.toml": "The hub: `/etc/slurmlens/hub.toml`",
    "relay.toml": "The relay: `/etc/slurmlens/relay.toml`",
}
INTRODUCTION = """# Settings

Every setting with its default. This page is generated (`docs/generate_settings.py`) from the same place as the shipped
files. A file may be spread over `NAME.conf.d/*.toml`; later names win. An unknown key is an error with file and line:

    slurmlens validate /etc/slurmlens/node.toml
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for name in SHIPPED:
        parts += [f"## {PROGRAMS[name]}\n", f"```toml\n{render(name)}```\n"]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
