"""go-carbon 0.19.1, what large Graphite sites run in carbon's place, with the storage schemas that the product ships.

`GoCarbon.port` takes plaintext lines, `points()` asks its carbonserver, `whisper` is where the files are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy import json_client
from deploy.carbon import SHIPPED, schemas
from deploy.component import listens
from deploy.components.fetch import go_program
from deploy.components.server import Server
from deploy.sandbox import Sandbox


class GoCarbon(Server):
    """go-carbon on the loopback address; the intervals are those of the node daemons that will send."""

    def __init__(
        self, sandbox: Sandbox, name: str = "go-carbon", *, fast_interval_s: int = 1, slow_interval_s: int = 5
    ) -> None:
        self.port, query_port = sandbox.ports.take(), sandbox.ports.take()
        self.url = f"http://127.0.0.1:{query_port}"
        super().__init__(sandbox, name, lambda: listens(self.port) and listens(query_port))
        self.whisper = self.folder / "whisper"
        self._intervals = {"slurm_fast": fast_interval_s, "slurm_slow": slow_interval_s}

    def command(self) -> list[str]:
        self.whisper.mkdir(exist_ok=True)
        shipped = SHIPPED.joinpath("storage-schemas.conf").read_text()
        (self.folder / "schemas.conf").write_text(schemas(shipped, self._intervals))
        conf = self.folder / "go-carbon.toml"
        conf.write_text(go_carbon_toml(self.port, self.url.removeprefix("http://"), self.folder))
        return [str(program()), "-config", str(conf)]

    def points(self, series: str, from_s: int, until_s: int) -> dict[int, float]:
        """The series' values by time, gaps left out; {} for a series that it does not know (yet)."""
        query = {"target": series, "from": from_s, "until": until_s, "format": "json"}
        answer: dict[str, list[dict[str, Any]]] = json_client.get(f"{self.url}/render/", query)
        found: dict[int, float] = {}
        for metric in answer.get("metrics", []):
            values = zip(metric["values"], metric["isAbsent"], strict=True)
            times = range(metric["startTime"], metric["stopTime"] + 1, metric["stepTime"])
            found |= {time: value for time, (value, absent) in zip(times, values, strict=False) if not absent}
        return found


def go_carbon_toml(port: int, query_address: str, folder: Path) -> str:
    """Its configuration: loopback only, new series found at once, no limit on what waits in memory."""
    off = "\n".join(f"[{name}]\nenabled = false" for name in ("udp", "pickle", "carbonlink", "grpc"))
    return f"""[common]
user = ""
max-cpu = 2
metric-endpoint = "local"
[whisper]
data-dir = "{folder}/whisper"
schemas-file = "{folder}/schemas.conf"
aggregation-file = "{SHIPPED}/storage-aggregation.conf"
workers = 2
sparse-create = true
[cache]
max-size = 0
[tcp]
listen = "127.0.0.1:{port}"
{off}
[carbonserver]
enabled = true
listen = "{query_address}"
scan-frequency = "1s"
empty-result-ok = true
trie-index = true
trigram-index = false
query-cache-enabled = false
find-cache-enabled = false
glob-cache-enabled = false
[[logging]]
logger = ""
file = "stdout"
level = "warn"
"""


def program() -> Path:
    """The built program, from the cache."""
    return go_program("go-carbon", "github.com/go-graphite/go-carbon")
