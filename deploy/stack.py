"""Everything at once: sandbox, small Slurm with our hooks, carbon, hub and a node daemon per node.

`Stack.start_*` are the demo's steps; `full_stack` is all of them in order, for tests and bench.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy import slurmlens
from deploy.carbon import Carbon
from deploy.component import start_and_wait
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm
from deploy.slurmlens import Hub, LogForwarder, NodeDaemon, NodeSettings

CLUSTER = "demo"
FAST_INTERVAL_S = 1
SLOW_EVERY = 5


# Puts Prolog and Epilog into the sandbox and says where they are; (None, None) is a Slurm that knows nothing of us.
Hooks = Callable[[Sandbox], tuple[Path | None, Path | None]]


class Stack:
    """The parts of one instance; each is started once, in the order of the methods."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        nodes: int = 3,
        extra_conf: str = "",
        hooks: Hooks = slurmlens.hooks,
        with_plugin: bool = False,
        rules: str = "",
    ) -> None:
        prolog, epilog = hooks(sandbox)
        self.sandbox = sandbox
        self.slurm = SmallSlurm(
            sandbox,
            nodes=nodes,
            cluster=CLUSTER,
            prolog=prolog,
            epilog=epilog,
            extra_conf=extra_conf if prolog is None else f"{extra_conf}\n{slurmlens.further_hooks(sandbox)}",
            plugstack=slurmlens.spank_plugin(sandbox) if with_plugin else "",
        )
        self.carbon = Carbon(sandbox, fast_interval_s=FAST_INTERVAL_S, slow_interval_s=FAST_INTERVAL_S * SLOW_EVERY)
        first = self.slurm.node_names[0]
        # the first node sends the controller's lines as well
        self.hub = Hub(sandbox, CLUSTER, self.carbon.port, forwarders=(first,), rules=rules)
        logs = sandbox.folder / "slurm" / "log"
        self.forwarders = [
            LogForwarder(sandbox, logs / "slurmctld.log", "controller", first, self.hub.url),
            *(
                LogForwarder(sandbox, logs / f"slurmd.{name}.log", name, name, self.hub.url)
                for name in self.slurm.node_names
            ),
        ]
        settings = NodeSettings(
            CLUSTER, self.hub.url, self.carbon.port, interval_s=FAST_INTERVAL_S, slow_every=SLOW_EVERY
        )
        self.nodes = {name: NodeDaemon(sandbox, name, settings) for name in self.slurm.node_names}

    def start_slurm(self) -> None:
        slurmlens.make_dropboxes(self.sandbox, self.slurm.node_names)
        self.slurm.start()

    def start_carbon(self) -> None:
        self.carbon.start()

    def start_hub(self) -> None:
        start_and_wait(self.hub)
        slurmlens.tell_hub(self.sandbox.folder, self.hub.url)

    def start_nodes(self) -> None:
        slurmlens.start_together(list(self.nodes.values()))

    def start_forwarders(self) -> None:
        """What Slurm's daemons log gets to the hub."""
        for forwarder in self.forwarders:
            forwarder.start()

    def stop(self) -> None:
        """Ends everything in the reverse order, so that nodes can still send and the hub can still ask."""
        for daemon in (*self.forwarders, *self.nodes.values()):
            daemon.stop()
        self.hub.stop()
        self.carbon.stop()
        self.slurm.stop()


@contextmanager
def full_stack(*, nodes: int = 3, extra_conf: str = "", keep: Sequence[Path] = ()) -> Iterator[Stack]:
    """A started stack in a sandbox of its own; everything is gone afterwards."""
    with Sandbox(keep=keep) as sandbox:
        stack = Stack(sandbox, nodes=nodes, extra_conf=extra_conf)
        stack.start_slurm()
        stack.start_carbon()
        stack.start_hub()
        stack.start_nodes()
        try:
            yield stack
        finally:
            stack.stop()
