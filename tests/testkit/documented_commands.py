"""Which `slurmlens …` of the documentation is run by which test: each is in one of two tables.

`RUN` are run on a real small Slurm with a hub and a daemon (`tests/slurm/test_documented_commands.py`): what harms
nothing. `ELSEWHERE` says of each other one why not there, and which test runs it. Invariant: no command of a page is
missing, and none is here that no page has (`tests/unit/docs`). Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Typed(NamedTuple):
    """How a command is run: what is typed where the page has made-up names, by whom, and how it may end.

    `{node}`, `{toml}`, `{hub_toml}`, `{socket}`, `{folder}` and `{root}` are the instance's; `says` is in its output.
    """

    command: str = ""
    user: str = "root"
    statuses: tuple[int, ...] = (0,)
    says: str = ""
    in_job: bool = False


PROBLEM = "{root}/etc/slurmlens/problems/quota.toml"
CASE = "{root}/etc/slurmlens/problems/cases/quota.toml"
CAMPAIGN = "{folder}/case/campaign.toml"

RUN: dict[str, Typed] = {
    "slurmlens login": Typed(user="alice", says="http"),
    "slurmlens looks": Typed(user="eve"),
    "slurmlens looks --owner alice --json": Typed(user="eve", says="["),
    "slurmlens validate": Typed("slurmlens validate {toml}", says="node.toml"),
    "slurmlens validate FILE": Typed(f"slurmlens validate {PROBLEM}"),
    "slurmlens validate hub.toml": Typed("slurmlens validate {hub_toml}", statuses=(0, 1), says="hub.toml"),
    "slurmlens validate /etc/slurmlens/node.toml": Typed("slurmlens validate {toml}", says="node.toml"),
    "slurmlens job": Typed("slurmlens job 1", "alice", says="COMPLETED"),
    "slurmlens job 2": Typed("slurmlens job 2", "alice", says="FAILED"),
    "slurmlens job ID": Typed("slurmlens job 1", "alice", says="COMPLETED"),
    "slurmlens job ID --timeline": Typed("slurmlens job 1 --timeline", "alice", says="{node}"),
    "slurmlens jobs": Typed(user="alice", says="alice"),
    "slurmlens node NODE": Typed("slurmlens node {node}", says="{node}"),
    "slurmlens logs": Typed(),
    "slurmlens logs --node NODE": Typed("slurmlens logs --node {node}"),
    "slurmlens forward": Typed(
        "echo hello | slurmlens forward --node {node} --of {node} --program sh --hub $SLURMLENS_HUB"
    ),
    "slurmlens status": Typed("slurmlens status --socket {socket}", statuses=(0, 1), says="{node}"),
    "slurmlens status --json": Typed("slurmlens status --json --socket {socket}", statuses=(0, 1), says="counters"),
    "slurmlens status --prometheus >F.tmp && mv F.tmp F.prom": Typed(
        "slurmlens status --prometheus --socket {socket} >{folder}/F.tmp; mv {folder}/F.tmp {folder}/F.prom"
    ),
    "slurmlens status --hub": Typed("slurmlens status --hub $SLURMLENS_HUB", statuses=(0, 1), says="hub"),
    "slurmlens doctor": Typed("slurmlens doctor --config {toml}", statuses=(0, 1)),
    "slurmlens saved-objects --out FILE": Typed("slurmlens saved-objects --out {folder}/objects.ndjson"),
    "slurmlens dashboards": Typed("mkdir -p {folder}/boards && slurmlens dashboards --out {folder}/boards"),
    "slurmlens dashboards --out /var/lib/grafana/dashboards/slurmlens --pages https://slurmlens.example.org": Typed(
        "mkdir -p {folder}/b && slurmlens dashboards --out {folder}/b --pages https://slurmlens.example.org"
    ),
    "slurmlens problems list": Typed("slurmlens problems list {root}/etc/slurmlens/problems", says="quota"),
    "slurmlens problems test": Typed(f"slurmlens problems test {PROBLEM}"),
    "slurmlens problems test FILE": Typed(f"slurmlens problems test {PROBLEM}"),
    "slurmlens problems test FILE --on CASE": Typed(f"slurmlens problems test {PROBLEM} --on {CASE}"),
    "slurmlens findings": Typed(),
    "slurmlens investigations I-3": Typed(
        "slurmlens investigations --begin /jobs/1 --title why && slurmlens investigations I-1", says="why"
    ),
    "slurmlens audit": Typed(),
    "slurmlens audit [--day 2026-11-30] [--make]": Typed("slurmlens audit --make"),
    "slurmlens assess": Typed("slurmlens assess --help", says="assess"),
    "slurmlens assess --help": Typed(says="assess"),
    "slurmlens assess …": Typed("slurmlens assess --help", says="assess"),
    "slurmlens workflows": Typed(),
    "slurmlens usage": Typed(),
    "slurmlens capacity": Typed(says="going"),
    "slurmlens usage --rebuild": Typed(),
    "slurmlens common-cause": Typed(statuses=(0, 1)),
    "slurmlens inventory --at": Typed("slurmlens inventory node {node} --at 1m", statuses=(0, 1)),
    "slurmlens inventory software openmpi": Typed(statuses=(0, 1)),
    "slurmlens inventory software openmpi --at 3d": Typed(statuses=(0, 1)),
    "slurmlens inventory software": Typed(statuses=(0, 1)),
    "slurmlens inventory node n11 --software --wide": Typed("slurmlens inventory node {node} --software --wide"),
    "slurmlens inventory node n11 --with n12": Typed("slurmlens inventory node {node} --with {node}"),
    "slurmlens inventory node n11 --then 7d": Typed("slurmlens inventory node {node} --then 7d"),
    'slurmlens blast-radius software "openmpi 4.1"': Typed(statuses=(0, 1)),
    "slurmlens inventory campaign USER/NAME": Typed("slurmlens inventory campaign alice/block-size", statuses=(0, 1)),
    "slurmlens campaign": Typed("slurmlens campaign --help", says="validate"),
    "slurmlens campaign validate case.toml": Typed(f"slurmlens campaign validate {CAMPAIGN}", "alice"),
    "slurmlens campaign run --dry-run case.toml": Typed(f"slurmlens campaign run --dry-run {CAMPAIGN}", "alice"),
    "slurmlens progress 3/8 residual=1e-5": Typed(user="alice", in_job=True),
    'slurmlens event "second phase begins"': Typed(user="alice", in_job=True),
    r"slurmlens watch --pattern 'step (\d+) of (\d+)' -- srun ./model": Typed(
        r"slurmlens watch --pattern 'step (\d+) of (\d+)' -- echo step 1 of 2", "alice", in_job=True
    ),
    "slurmlens notify": Typed(user="alice"),
    "slurmlens notify --mail ADDRESS --on digest": Typed(
        "slurmlens notify --mail alice@example.org --on digest", "alice"
    ),
    "slurmlens notify --mail ADDRESS --on ended": Typed(
        "slurmlens notify --mail alice@example.org --on ended", "alice"
    ),
    "slurmlens report --period month --at 2026-11 --of account:physics --format pdf --out physics.pdf": Typed(
        "slurmlens report --period month --at 2026-11 --of account:clusers --format pdf --out {folder}/physics.pdf"
    ),
    "slurmlens stack compose --out FOLDER --build podman": Typed(
        "slurmlens stack compose --out {folder}/compose",
        says="compose.yaml",
    ),
    "slurmlens stack": Typed("slurmlens stack list"),
}

INSTALLED = "changes the machine: in a virtual machine, tests/vm/test_page_commands.py"
CAMPAIGNS = "submits jobs until the end: tests/slurm/test_campaign_on_slurm.py"
STACK = "a whole stack: tests/slurm/test_whole_stack.py"
CONTAINERS = "a whole stack in containers: tests/slurm/test_compose_by_podman.py"
MEMBERSHIP = "changes Slurm's nodes: tests/slurm/test_whole_stack.py, tests/slurm/test_rendered_membership.py"

ELSEWHERE: dict[str, str] = {
    "slurmlens campaign run case.toml": CAMPAIGNS,
    "slurmlens campaign status case.toml": CAMPAIGNS,
    "slurmlens campaign report case.toml": CAMPAIGNS,
    "slurmlens campaign resume case.toml": CAMPAIGNS,
    "slurmlens campaign stop case.toml": CAMPAIGNS,
    "slurmlens campaign run": CAMPAIGNS,
    "slurmlens dashboards --grafana https://grafana.example.org --token-file /etc/slurmlens/grafana-token": (
        "needs a Grafana: a stand-in for it in tests/unit/cli/test_boards_in_grafana.py"
    ),
    "slurmlens graph rebuild": "needs Neo4j: tests/receivers/test_graph.py",
    "slurmlens setup": INSTALLED,
    "slurmlens setup hub --listen 10.0.0.1": INSTALLED,
    "slurmlens setup node --hub http://HUB:6830": INSTALLED,
    "slurmlens setup ROLE": INSTALLED,
    "slurmlens noise": INSTALLED,
    "slurmlens erase alice --yes": "takes history away: tests/unit/hub/test_erasure.py",
    "slurmlens top": "a live table on a terminal: tests/unit/cli/test_top_command.py",
    "slurmlens stack up": STACK,
    "slurmlens stack up --in podman --compute 2": CONTAINERS,
    "slurmlens stack status": STACK,
    "slurmlens stack scale compute=3": CONTAINERS,
    "slurmlens stack scale compute=5": STACK,
    "slurmlens stack logs hub --follow": STACK,
    "slurmlens stack down": STACK,
    "slurmlens membership": MEMBERSHIP,
    'slurmlens membership --node-file /etc/slurm/nodes.conf --apply "systemctl restart slurmctld"': MEMBERSHIP,
    "slurmlens membership --once --dry-run": MEMBERSHIP,
}


def bare(command: str) -> str:
    """A page's command without the words beside it that explain it."""
    return re.split(r"\s{2,}|\s+#\s", command)[0].rstrip()
