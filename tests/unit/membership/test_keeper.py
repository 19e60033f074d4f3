"""The loop over recorded answers: what scontrol is told, what is remembered, and what failures do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from slurmlens.clock import NS_PER_S
from slurmlens.discovery.answers import Registered
from slurmlens.errors import ConfigError, DiscoveryError, SourceError
from slurmlens.membership.controller import NodeControl
from slurmlens.membership.keeper import MembershipKeeper, MembershipSettings
from slurmlens.membership.member import Member
from slurmlens.membership.node_file import HEAD, NodeFile, render
from slurmlens.slurm.pieces import Pieces

Answer = TypeVar("Answer")
HAS_SLURM = shutil.which("scontrol") is not None
SLURM_CONF = (
    "ClusterName=c\nSlurmctldHost=localhost\nNodeSet=all Feature=compute\nPartitionName=p Nodes=all\ninclude {}\n"
)


class Slurm:
    """Nodes, and what scontrol was told of them; `refuses` is a word at which the parser fails."""

    def __init__(self, *nodes: str, refuses: str = "") -> None:
        self.nodes, self.refuses = list(nodes), refuses
        self.told: list[tuple[str, ...]] = []
        self.is_up = True

    async def __call__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        timeout_s: float,
        read: Callable[[Pieces], Answer],
    ) -> Answer:
        said = ""
        if arguments[1:3] == ("-o", "show"):
            said = "".join(f"NodeName={line} Partitions=all\n" for line in self.nodes)
        elif arguments[1] == "ping":
            said = f"Slurmctld(primary) at c is {'UP' if self.is_up else 'DOWN'}\n"
        elif arguments[1] == "show":
            text = "".join(path.read_text() for path in Path(environment["SLURM_CONF"]).parent.glob("*.conf"))
            if self.refuses and self.refuses in text:
                raise SourceError(f"scontrol failed: Parsing error at unrecognized key: {self.refuses}")
        else:
            self.told.append(tuple(arguments[1:]))
        return read(iter([said.encode()]))


class Consul:
    """Who is registered; None where the agent does not answer."""

    def __init__(self, *names: str) -> None:
        self.names: Sequence[str] | None = names

    async def registered(self, service: str) -> tuple[Registered, ...]:
        if self.names is None:
            raise DiscoveryError("Consul: connection refused", reason="connect")
        return tuple(Registered(name, "10.0.0.1", 6818, {"node": name, "cpus": "2"}) for name in self.names)


class Scene:
    """A keeper with a clock to be turned."""

    def __init__(self, slurm: Slurm, consul: Consul, folder: Path, *, node_file: NodeFile | None = None) -> None:
        self.now_ns = 1_800_000_000 * NS_PER_S
        self.said: list[str] = []
        settings = MembershipSettings(memory=folder / "members.json")
        controller = NodeControl(run=slurm)
        self.keeper = MembershipKeeper(
            settings, consul, controller, self.said.append, node_file=node_file, now_ns=lambda: self.now_ns
        )


async def test_five_hundred_that_register_at_once_are_one_command(tmp_path: Path) -> None:
    slurm = Slurm(*(f"c{number} NodeAddr=10.0.0.1 State=IDLE+DRAIN+DYNAMIC_NORM" for number in range(500)))
    scene = Scene(slurm, Consul(*(f"c{number}" for number in range(500))), tmp_path)
    assert await scene.keeper.look()
    assert slurm.told == [("update", "nodename=c[0-499]", "state=resume")]


async def test_a_consul_that_does_not_answer_drains_nobody_and_is_said_once(tmp_path: Path) -> None:
    slurm, consul = Slurm("c1 NodeAddr=10.0.0.1 State=IDLE"), Consul("c1")
    scene = Scene(slurm, consul, tmp_path)
    await scene.keeper.look()
    consul.names = None
    scene.now_ns += 3600 * NS_PER_S
    assert not await scene.keeper.look()
    assert not await scene.keeper.look()
    assert slurm.told == []
    assert sum("connection refused" in words for words in scene.said) == 1


async def test_who_was_a_member_is_remembered_over_a_restart(tmp_path: Path) -> None:
    slurm, consul = Slurm("c1 NodeAddr=10.0.0.1 State=IDLE"), Consul("c1")
    await Scene(slurm, consul, tmp_path).keeper.look()
    consul.names = ()
    again = Scene(slurm, consul, tmp_path)
    await again.keeper.look()
    again.now_ns += 31 * NS_PER_S
    await again.keeper.look()
    assert [command[1:3] for command in slurm.told] == [("nodename=c1", "state=drain")]


def test_a_memory_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "members.json").write_text("[1, 2")
    with pytest.raises(ConfigError, match=r"members\.json"):
        Scene(Slurm(), Consul(), tmp_path)


def node_file(folder: Path, slurm: Slurm) -> tuple[NodeFile, Path]:
    path = folder / "nodes.conf"
    path.write_text("")
    (folder / "slurm.conf").write_text(SLURM_CONF.format(path))
    controller = NodeControl(run=slurm)
    return NodeFile(path, folder / "slurm.conf", (), controller.answers, run=slurm, answer_max_s=0), path


async def test_nodes_are_rendered_once_and_a_text_that_does_not_parse_is_never_installed(tmp_path: Path) -> None:
    slurm, consul = Slurm(), Consul("c1")
    file, path = node_file(tmp_path, slurm)
    scene = Scene(slurm, consul, tmp_path, node_file=file)
    assert await scene.keeper.look()
    good = path.read_text()
    assert good == HEAD + "NodeName=c1 NodeAddr=10.0.0.1 Port=6818 CPUs=2 State=UNKNOWN\n"
    slurm.refuses, consul.names = "c2", ("c1", "c2")
    assert not await scene.keeper.look()
    assert path.read_text() == good
    assert "c2" in (tmp_path / "nodes.conf.refused").read_text()
    assert any("does not take the nodes" in words for words in scene.said)


async def test_the_last_good_nodes_come_back_where_slurmctld_does_not(tmp_path: Path) -> None:
    slurm = Slurm()
    file, path = node_file(tmp_path, slurm)
    await file.install(render([Member("c1", "10.0.0.1")]))
    slurm.is_up = False
    with pytest.raises(SourceError, match="does not answer"):
        await file.install(render([Member("c2", "10.0.0.2")]))
    assert "c1" in path.read_text()
    assert "c2" not in path.read_text()


@pytest.mark.skipif(not HAS_SLURM, reason="no scontrol here")
@pytest.mark.parametrize(("options", "is_good"), [("Weight=2", True), ("Wieght=2", False), ("CPUs=two", False)])
async def test_slurms_own_parser_judges_five_hundred_rendered_nodes(
    options: str, is_good: bool, tmp_path: Path
) -> None:
    _, path = node_file(tmp_path, Slurm())
    real = NodeFile(path, tmp_path / "slurm.conf", (), NodeControl().answers)
    nodes = [
        Member(f"c{number}", f"10.0.{number // 250}.{number % 250 + 1}", features="compute") for number in range(500)
    ]
    if is_good:
        await real.check(render(nodes, options))
    else:
        with pytest.raises(SourceError, match=r"Wieght|two|Pars"):
            await real.check(render(nodes, options))
