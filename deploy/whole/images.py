"""The images of a stack, built on this machine: the base by debootstrap, the contexts from what is installed here.

Owns what goes into a build's context beside Containerfile and entry script. The product is installed by pip from this
checkout, with the extras that a hub needs; servers that Debian does not have come from the cache of `make components`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.cache import cached_folder
from deploy.carbon import virtual_environment
from deploy.components import consul, lumber, neo4j, opensearch
from deploy.components.fetch import key, mirror, run
from deploy.errors import MachineLacks
from deploy.sandbox import CHECKOUT
from deploy.whole.containerfiles import BASE, IMAGES, PREFIX

SUITE = "bookworm"
INCLUDED = "ca-certificates,hostname,util-linux"
PROGRAMS = {"slurmlens": "cli.main", "slurmlens-hub": "hub.main", "slurmlens-node": "node.start"}
LAUNCHER = """#!/bin/sh
PYTHONPATH=/opt/slurmlens/lib exec python3 -c 'import sys; from slurmlens.{module} import main; sys.exit(main())' "$@"
"""


def build(engine: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
    """Builds every image that stands below `images/` of the folder; `engine` is podman or docker with its options."""
    if subprocess.run([*engine, "image", "inspect", BASE], capture_output=True, check=False).returncode != 0:
        say(f"base {BASE}")
        _load_base(engine)
    made: dict[str, Path] = {}
    for image in IMAGES:
        context = folder / "images" / image.name
        if context.exists():
            say(f"image {PREFIX}{image.name}")
            for source in (one for one, _ in image.copies if one in CONTENTS):
                if source in made:
                    shutil.copytree(made[source], context / source, copy_function=os.link)
                else:
                    CONTENTS[source](context / source)
                    made[source] = context / source
            run([*engine, "build", "--network=host", "-q", "-t", f"{PREFIX}{image.name}", str(context)], cwd=context)


def _load_base(engine: Sequence[str]) -> None:
    """A minimal Debian, as an image."""
    base = cached_folder(key("debian-base", SUITE, INCLUDED), _debootstrap)
    with subprocess.Popen(["tar", "-C", str(base / "root"), "-c", "."], stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            [*engine, "import", "-", BASE], stdin=tar.stdout, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise MachineLacks(f"{engine[0]} does not take an image: {done.stderr.strip()[-500:]}")


def _debootstrap(place: Path) -> None:
    run(["debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(place / "root"), mirror()], cwd=place)


def _tree(place: Path) -> None:
    """The product: its packages, its programs, the hooks."""
    binaries = place / "bin"
    binaries.mkdir(parents=True)
    pip = [
        str(CHECKOUT / ".venv/bin/pip"),
        "install",
        "-q",
        "--target",
        str(place / "lib"),
        f"{CHECKOUT}[hub,postgresql,graph]",
    ]
    constraint = {"PIP_CONSTRAINT": str(CHECKOUT / "requirements.lock"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run(pip, cwd=place, env=constraint)
    for name, module in PROGRAMS.items():
        (binaries / name).write_text(LAUNCHER.format(module=module))
        (binaries / name).chmod(0o755)
    hook = CHECKOUT / "slurm_hooks/build/slurmlens-hook"
    if not hook.exists():
        raise MachineLacks(f"{hook.relative_to(CHECKOUT)} is not built: `make setup`")
    for name in ("slurmlens-prolog", "slurmlens-epilog"):
        shutil.copy(hook, binaries / name)


def _graphite(place: Path) -> None:
    environment = virtual_environment()
    (place / "bin").mkdir(parents=True)
    shutil.copy(environment / "bin/carbon-cache.py", place / "bin")
    packages = next((environment / "lib").glob("python3*/site-packages"))
    shutil.copytree(packages, place / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("webapp", "conf"):
        if (environment / part).exists():
            shutil.copytree(environment / part, place / part)


def _program(source: Callable[[], Path]) -> Callable[[Path], None]:
    def copy(place: Path) -> None:
        shutil.copy(source(), place)

    return copy


def _folder(source: Callable[[], Path]) -> Callable[[Path], None]:
    def copy(place: Path) -> None:
        shutil.copytree(source(), place, copy_function=os.link if _same_disk(source(), place.parent) else shutil.copy2)

    return copy


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


CONTENTS: dict[str, Callable[[Path], None]] = {
    "tree": _tree,
    "graphite": _graphite,
    "consul": _program(consul.program),
    "lumber": _program(lumber.program),
    "neo4j": _folder(neo4j.libraries),
    "opensearch": _folder(opensearch.program),
}
