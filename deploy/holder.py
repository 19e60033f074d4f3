"""First process of a sandbox's pid namespace: makes the private mounts, then lives exactly as long as its owner.

Runs as a program: `python3 -I holder.py PLAN.json`. Its standard input is a pipe whose other end only the owner holds;
when the owner ends, however it ends, the read returns, this process ends, and the kernel kills whatever runs in the
namespace and drops its mounts. It knows nothing of what it holds: the plan is a list of steps made by `sandbox.plan`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, stdin=subprocess.DEVNULL)


def bind(source: str, target: str) -> None:
    mount("--bind", source, target)


def bind_if_there(source: str, target: str) -> None:
    if Path(source).exists():
        Path(target).mkdir(parents=True, exist_ok=True)
        bind(source, target)


def bind_tree(source: str, target: str) -> None:
    mount("--rbind", source, target)


def tmpfs(target: str, options: str) -> None:
    mount("-t", "tmpfs", "-o", f"nosuid,nodev,{options}", "slurmlens", target)


def proc(target: str) -> None:
    mount("-t", "proc", "proc", target)


def unmount(target: str) -> None:
    subprocess.run(["umount", "--lazy", target], check=True, stdin=subprocess.DEVNULL)


def folder(path: str, mode: str, owner: str, group: str) -> None:
    Path(path).mkdir(parents=True, exist_ok=True)
    shutil.chown(path, owner, group)
    Path(path).chmod(int(mode, 8))


def link(target: str, path: str) -> None:
    Path(path).symlink_to(target)


def hostname(name: str) -> None:
    socket.sethostname(name)


STEPS = {step.__name__: step for step in (bind, bind_if_there, bind_tree, tmpfs, proc, unmount, folder, link, hostname)}


def main() -> None:
    for name, *arguments in json.loads(Path(sys.argv[1]).read_text()):
        STEPS[name](*arguments)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as pid 1: orphans are reaped by the kernel
    os.write(1, b"ready\n")
    os.read(0, 1)


if __name__ == "__main__":
    main()
