"""The program `slurmlens-probe`: answers questions that may hang, one at a time, a line of JSON each.

    {"space": "/home"}   -> {"space": [size, available, used, files, free files]}     statvfs(3)
    {"gpus": "/"}        -> {"gpus": [{…}, …]}                                        NVML, and amdgpu's sysfs below it
    {"software": "{…}"}  -> {"software": {"packages": [[name, version, place], …], …}}  one source (`node.software`)
    {"software_mark": "{…}"} -> {"software_mark": "…"}                                what that source's files look like

What fails is {"error": "…"}. It ends with its standard input. Started by `process` and by nobody else; it imports
nothing but the standard library and, once GPUs are asked for, `nvidia-ml-py`: it stays below 20 MiB.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO


def space(path: str) -> list[int]:
    """What a file system has; hangs for as long as its server is silent."""
    told = os.statvfs(path)
    unit = told.f_frsize
    used = (told.f_blocks - told.f_bfree) * unit
    return [told.f_blocks * unit, told.f_bavail * unit, used, told.f_files, told.f_ffree]


def gpus(root: str) -> list[dict[str, Any]]:
    """All GPUs of this machine; NVML is opened at the first question."""
    from slurmlens.node.probe import amd, nvidia  # late: most probes ask file systems alone

    return [*nvidia.read(), *amd.read(root)]


def software(argument: str) -> dict[str, Any]:
    """What one source of software has."""
    from slurmlens.node.software import reading  # late: as above

    return reading.read(argument)


def software_mark(argument: str) -> str:
    """What changes when something is installed there."""
    from slurmlens.node.software import reading  # late: as above

    return reading.mark(argument)


QUESTIONS: dict[str, Callable[[str], object]] = {
    "space": space,
    "gpus": gpus,
    "software": software,
    "software_mark": software_mark,
}


def answer(line: str) -> dict[str, object]:
    """The answer to one line."""
    try:
        ((name, argument),) = json.loads(line).items()
        return {name: QUESTIONS[name](argument)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def serve(lines: TextIO, out: TextIO) -> None:
    """Answer until the questions end."""
    for line in lines:
        out.write(json.dumps(answer(line)) + "\n")
        out.flush()


def main() -> None:
    """The program."""
    serve(sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
