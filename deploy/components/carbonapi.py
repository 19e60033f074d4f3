"""carbonapi 0.16.1, what large Graphite sites ask in graphite-web's place, before a go-carbon.

`CarbonApi.render` asks its /render. Built when a slow test wants it: `make components` does without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy import json_client
from deploy.component import listens
from deploy.components.fetch import go_program
from deploy.components.server import Server
from deploy.sandbox import Sandbox


class CarbonApi(Server):
    """carbonapi on the loopback address; `store_url` is a carbonserver's."""

    def __init__(self, sandbox: Sandbox, store_url: str, name: str = "carbonapi") -> None:
        self.port = sandbox.ports.take()
        self._store_url = store_url
        super().__init__(sandbox, name, lambda: listens(self.port))

    def command(self) -> list[str]:
        conf = self.folder / "carbonapi.yaml"
        conf.write_text(carbonapi_yaml(self.port, self._store_url))
        return [str(program()), "-config", str(conf)]

    def render(self, target: str, from_s: int, until_s: int) -> list[dict[str, Any]]:
        """/render as JSON: [{"target": …, "datapoints": [[value or None, epoch], …]}, …]."""
        query = {"target": target, "from": from_s, "until": until_s, "format": "json", "noCache": "1"}
        found: list[dict[str, Any]] = json_client.get(f"http://127.0.0.1:{self.port}/render", query)
        return found


def carbonapi_yaml(port: int, store_url: str) -> str:
    """Its configuration: one store, nothing kept, what is not found is an empty answer."""
    return f"""listeners:
  - address: "127.0.0.1:{port}"
concurency: 10
notFoundStatusCode: 200
cache:
  type: "null"
graphite:
  host: ""
upstreams:
  buckets: 10
  timeouts:
    find: "10s"
    render: "10s"
    connect: "1s"
  backendsv2:
    backends:
      - groupName: "store"
        protocol: "auto"
        lbMethod: "broadcast"
        servers:
          - "{store_url}"
logger:
  - logger: ""
    file: "stdout"
    level: "warn"
"""


def program() -> Path:
    """The built program, from the cache."""
    return go_program("carbonapi", "github.com/go-graphite/carbonapi/cmd/carbonapi")
