"""What a run consists of on disk: a folder of its own, the user's script and inputs, and the batch script around them.

Owns the folder's layout and the batch script, which writes the exit record when the user's script has ended. A folder
belongs to one attempt, so a late attempt cannot overwrite the next one's files. Called by `runner` before it submits.

Values reach the script as environment variables `P_<name>`, quoted for the shell, and the inputs as text in place of
`{{name}}`; nothing that a value holds is ever run.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from slurmlens.campaign.settings import Campaign
from slurmlens.campaign.space import Value
from slurmlens.errors import CampaignError

EXIT_RECORD = "exit"
OUTPUT = "output.txt"
_BATCH = "batch.sh"
_SCRIPT = "script"
_PLACE = re.compile(rb"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_FORBIDDEN = re.compile(rb"^#SBATCH\s+.*(--array|-a\s|--hold|-H\b|--requeue|--wait\b)", re.MULTILINE)


def lay_out(campaign: Campaign, folder: Path, point: int, attempt: int, parameters: Mapping[str, Value]) -> Path:
    """Write the run's folder and return its batch script; the same call again writes the same files."""
    script = (campaign.folder / campaign.job.script).read_bytes()
    check_script(campaign, script)
    folder.mkdir(parents=True, exist_ok=True)
    for name in campaign.job.inputs:
        target = folder / Path(name).name
        target.write_bytes(render((campaign.folder / name).read_bytes(), parameters, name))
    own = folder / _SCRIPT
    own.write_bytes(script if script.startswith(b"#!") else b"#!/bin/sh\n" + script)
    own.chmod(0o755)
    batch = folder / _BATCH
    batch.write_text(_batch_text(campaign, folder, point, attempt, parameters, script))
    return batch


def check_script(campaign: Campaign, script: bytes) -> None:
    """CampaignError where the script asks for what a campaign has to decide."""
    if found := _FORBIDDEN.search(script):
        raise CampaignError(f"{campaign.job.script}: {found[1].decode().strip()} cannot stand in a campaign's script")


def render(text: bytes, parameters: Mapping[str, Value], name: str) -> bytes:
    """An input file with `{{parameter}}` replaced; an inactive or unknown one is a CampaignError."""

    def value(match: re.Match[bytes]) -> bytes:
        parameter = match[1].decode()
        if parameter not in parameters:
            raise CampaignError(f"{name}: {{{{{parameter}}}}} is no parameter of this point")
        return shown(parameters[parameter]).encode()

    return _PLACE.sub(value, text)


def shown(value: Value) -> str:
    """A value as a job gets it: numbers read back equal."""
    return value if isinstance(value, str) else repr(value)


def _batch_text(
    campaign: Campaign, folder: Path, point: int, attempt: int, parameters: Mapping[str, Value], script: bytes
) -> str:
    key = campaign.key(point, attempt)
    directives = [line for line in script.decode(errors="replace").splitlines() if line.startswith("#SBATCH")]
    values = {f"P_{name}": shown(value) for name, value in parameters.items()}
    values |= {"SLURMLENS_CAMPAIGN": campaign.name, "SLURMLENS_POINT": str(point), "SLURMLENS_ATTEMPT": str(attempt)}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    trap = [f"trap : {campaign.failure.grace_signal}"] if campaign.failure.grace_signal else []
    lines = [
        "#!/bin/sh",
        *directives,
        f"cd {shlex.quote(os.fspath(folder))} || exit 72",
        *exports,
        *trap,
        "began=$(date +%s.%N)",
        f"./{_SCRIPT}",
        "code=$?",
        # Written aside and renamed: whoever reads it reads the whole.
        f'printf "%s %s %s %s %s\\n" {key} "$SLURM_JOB_ID" "$code" "$began" "$(date +%s.%N)" > {EXIT_RECORD}.new'
        f" && mv {EXIT_RECORD}.new {EXIT_RECORD}",
        "exit $code",
    ]
    return "\n".join(lines) + "\n"
