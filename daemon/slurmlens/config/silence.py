"""Settings of whom the hub silences: no sampling, no hooks, no plugin on these nodes, within ten seconds of a reload.

Part of the settings of `slurmlens-hub`; read by `hub.web.pages.silence`, which nodes ask.
"""

from collections.abc import Iterator

from slurmlens.config.setting import Settings, setting


class SilenceConfig(Settings):
    """Nodes that are to be silent: a node is where its name is in the list and its share is below the percentage."""

    nodes: str | None = setting(None, "a host list, or `*` for all; nobody where not set", example='"c[1-40],gpu7"')
    percent: float = setting(
        100.0,
        "of these nodes so many; the same ones at each step up, which nodes is by their names",
        minimum=0,
        maximum=100,
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.nodes is not None and self.nodes.count("[") != self.nodes.count("]"):
            yield "nodes", "a bracket is open: write it as Slurm does, c[1-40]"
