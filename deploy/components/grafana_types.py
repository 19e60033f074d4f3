"""Grafana's published types of 11.6, 12.4 and 13.2 as JSON schemas: what a dashboard of each release may hold.

`@grafana/schema` is types of TypeScript alone; ts-json-schema-generator makes schemas of them and ajv reads those. All
three come from npm by exact version and digest (`modules/grafana-types/package-lock.json`) into the cache folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deploy.cache import cached_folder
from deploy.components.fetch import MODULES, key, run
from deploy.errors import DeployError, MachineLacks

PINNED = ("package.json", "package-lock.json", ".npmrc", "tsconfig.json", "schemas.mjs", "check.mjs")


class Objection(NamedTuple):
    """What the types of one release have against a board, and where in it."""

    release: int
    board: str
    where: str
    message: str


def checker() -> Path:
    """The folder with the schemas and the program that holds boards against them."""
    module = MODULES / "grafana-types"

    def build(folder: Path) -> None:
        for name in PINNED:
            shutil.copy(module / name, folder / name)
        run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder)
        run(["node", "schemas.mjs"], cwd=folder)

    return cached_folder(key("grafana-types", *(module / name for name in PINNED)), build)


def objections(
    boards: Mapping[str, Mapping[str, Any]], resources: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Objection]:
    """What any release's types refuse in these dashboards, and in these resources of `/apis`, by their names here."""
    try:
        done = subprocess.run(
            ["node", str(checker() / "check.mjs")],
            input=json.dumps({"boards": boards, "resources": resources or {}}),
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise MachineLacks("there is no node: `python3 -m deploy.install` installs it") from error
    if done.returncode != 0:
        raise DeployError(f"check.mjs ended with {done.returncode}: {done.stderr[-2000:]}")
    return [Objection(**one) for one in json.loads(done.stdout)]
