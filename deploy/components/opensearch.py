"""OpenSearch 2.19.1 as one node in one JVM, started from Maven's jars; security plugin and sandbox are not in them.

`OpenSearch.url` is its address. Indices spring up under the names of `INDICES` alone, so that a wrong name shows. It
survives SIGKILL of its process with all that it acknowledged: its translog is fsynced before each answer.
"""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path

from deploy.cache import cached_folder
from deploy.components.fetch import MODULES, key, run
from deploy.components.server import Server
from deploy.sandbox import Sandbox

MODULE = MODULES / "opensearch"
INDICES = "slurmlens-*,logstash-*"
# The last two halve the start and two fifths of the memory.
OPTIONS = ("-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
ANSWER_MAX_S = 2.0


class SearchNode(Server):
    """A node of a search server, on the loopback address: which one says `module`, with its pom and what starts it."""

    module: Path
    configuration: str

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.port, self._transport_port = sandbox.ports.take(), sandbox.ports.take()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(sandbox, name, lambda: is_healthy(self.url), grace_s=20)

    def java(self) -> tuple[str, ...]:
        """The runtime, with options of its own."""
        return ("java",)

    def command(self) -> list[str]:
        configuration, node = self.folder / "conf", program(self.module)
        configuration.mkdir(exist_ok=True)
        (configuration / self.configuration).write_text(node_yml(self._transport_port))
        options = ["-basePath", str(self.folder / "home"), "-confPath", str(configuration), "-numOfNode", "1"]
        # The runner counts its nodes from 1 and adds that to the port.
        options += ["-baseHttpPort", str(self.port - 1), "-clusterName", self.name]
        return [*self.java(), *OPTIONS, "-cp", f"{node}/classes:{node}/lib/*", "SearchNode", *options]


class OpenSearch(SearchNode):
    """OpenSearch."""

    module = MODULE
    configuration = "opensearch.yml"

    def __init__(self, sandbox: Sandbox, name: str = "opensearch") -> None:
        super().__init__(sandbox, name)


def node_yml(transport_port: int, listens: str = "127.0.0.1") -> str:
    """The node's configuration: alone, bound to that address, and not read-only on a disk that is nearly full."""
    return f"""network.host: {listens}
transport.port: {transport_port}
discovery.type: single-node
action.auto_create_index: "{INDICES}"
cluster.routing.allocation.disk.threshold_enabled: false
"""


def is_healthy(url: str) -> bool:
    """Whether the cluster has all it needs to take and find documents."""
    question = f"{url}/_cluster/health?wait_for_status=yellow&wait_for_no_initializing_shards=true&timeout=1s"
    try:
        with urllib.request.urlopen(question, timeout=ANSWER_MAX_S) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def program(module: Path = MODULE) -> Path:
    """The folder with the server's jars in `lib` and what starts it in `classes`, from the cache."""
    pom, sources = module / "pom.xml", sorted(module.glob("*.java"))

    def fetch(folder: Path) -> None:
        repository = folder / "repository"
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}/lib"]
        run(["mvn", "-B", "-ntp", "-q", f"-f={pom}", f"-Dmaven.repo.local={repository}", *goal], cwd=folder)
        shutil.rmtree(repository)
        run(
            ["javac", "-proc:none", "-cp", f"{folder}/lib/*", "-d", f"{folder}/classes", *map(str, sources)], cwd=folder
        )
        if (services := module / "META-INF").exists():
            shutil.copytree(services, folder / "classes/META-INF")

    return cached_folder(key(module.name, pom, *sources), fetch)
