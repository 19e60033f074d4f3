"""Pictures of pages, by Chromium: `python -m deploy.whole.pictures LINK FOLDER NAME=ADDRESS…` of the checkout's Python.

LINK logs in first. Run as a program of its own, for Playwright is not part of the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.errors import DeployError
from deploy.sandbox import CHECKOUT

CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 900
MOST_S = 180.0


def take(link: str, folder: Path, pages: Mapping[str, str]) -> list[Path]:
    """Pictures of the pages as who opens the link sees them; DeployError where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"{name}={address}" for name, address in pages.items()]
    argv = [str(CHECKOUT / ".venv/bin/python"), "-m", "deploy.whole.pictures", link, str(folder), *words]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=MOST_S, check=False)
    if done.returncode != 0:
        raise DeployError(f"no pictures: {done.stderr.strip()[-500:]}")
    return [folder / f"{name}.png" for name in pages]


def main() -> int:
    from playwright.sync_api import sync_playwright

    link, folder, *words = sys.argv[1:]
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
        page.goto(link)
        for word in words:
            name, _, address = word.partition("=")
            answer = page.goto(address, wait_until="load")
            if answer is None or not answer.ok:
                print(f"{address}: {answer.status if answer else 'no answer'}", file=sys.stderr)
                return 1
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
