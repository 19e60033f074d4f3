"""carbon-cache and graphite-web 1.1.10 in one sandbox, with the storage schemas that the product ships in etc/carbon/.

Both run from a virtual environment of their own in the cache folder, keyed by the pinned versions. `Carbon.port` takes
plaintext lines, `Carbon.url` answers /render and /metrics/find, `Carbon.whisper` is where the files are.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy import json_client
from deploy.cache import cached_folder
from deploy.component import Service, listens, wait_ready
from deploy.errors import DeployError
from deploy.sandbox import CHECKOUT, Sandbox
from deploy.virtual_environment import at_home

PINS = Path(__file__).with_name("pins") / "graphite.txt"
SHIPPED = CHECKOUT / "etc/carbon"
USER = "graphite"
# The finest tier of a schema in etc/carbon is replaced when the node daemons send faster than the product's default.
FINEST_KEPT = "6h"


class Carbon:
    """carbon-cache with graphite-web's /render before it."""

    def __init__(self, sandbox: Sandbox, *, fast_interval_s: int = 10, slow_interval_s: int = 60) -> None:
        self.port = sandbox.ports.take()
        self.url = f"http://127.0.0.1:{sandbox.ports.take()}"
        self.root = sandbox.folder / "carbon"
        self.whisper = self.root / "storage/whisper"
        self._sandbox = sandbox
        self._query_port = sandbox.ports.take()
        self._intervals = {"slurm_fast": fast_interval_s, "slurm_slow": slow_interval_s}
        self._services: list[Service] = []

    @property
    def name(self) -> str:
        return "carbon"

    def start(self) -> None:
        """Starts both; returns when both answer."""
        environment = virtual_environment()
        user = USER if self._sandbox.can_read(USER, environment / "bin/python") else "root"
        self._lay_out(user)
        bin_folder, env = environment / "bin", self._environment()
        files = [
            f"--config={self.root}/conf/carbon.conf",
            f"--pidfile={self.root}/pid",
            f"--logdir={self.root}/storage/log",
        ]
        cache = [f"{bin_folder}/python", f"{bin_folder}/carbon-cache.py", *files, "--nodaemon", "start"]
        address = self.url.removeprefix("http://")
        web = [f"{bin_folder}/waitress-serve", f"--listen={address}", "--threads=2", "graphite.wsgi:application"]
        self._services = [
            Service(self._sandbox, "carbon-cache", cache, lambda: listens(self.port), user=user, env=env),
            Service(self._sandbox, "graphite-web", web, self._renders, user=user, env=env, cwd=self.root),
        ]
        for service in self._services:
            service.start()
        for service in self._services:
            wait_ready(service)

    @property
    def cache(self) -> Service:
        """carbon-cache alone, once started: it can be killed and started again beside its graphite-web."""
        return self._services[0]

    def ready(self) -> bool:
        return all(service.ready() for service in self._services)

    def stop(self) -> None:
        for service in reversed(self._services):
            service.stop()

    def render(self, target: str, from_s: int, until_s: int) -> list[dict[str, Any]]:
        """/render as JSON: [{"target": …, "datapoints": [[value or None, epoch], …]}, …]."""
        query = {"target": target, "from": from_s, "until": until_s, "format": "json", "noNullPoints": "false"}
        found: list[dict[str, Any]] = json_client.get(f"{self.url}/render", query)
        return found

    def series(self, pattern: str = "slurm.**") -> list[str]:
        """Names of all series whose whisper files exist and match a glob over the path, `**` for any depth."""
        names = (
            str(path.relative_to(self.whisper).with_suffix("")).replace("/", ".")
            for path in self.whisper.rglob("*.wsp")
        )
        wanted = re.compile(re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^.]*"))
        return sorted(name for name in names if wanted.fullmatch(name))

    def _renders(self) -> bool:
        try:
            self.render("carbon.agents.none", 0, 1)
        except DeployError:
            return False
        return True

    def _environment(self) -> dict[str, str]:
        return {
            "GRAPHITE_ROOT": str(self.root),
            "GRAPHITE_CONF_DIR": f"{self.root}/conf",
            "GRAPHITE_STORAGE_DIR": f"{self.root}/storage",
            "GRAPHITE_SETTINGS_MODULE": "render_settings",
            "PYTHONPATH": f"{self.root}/conf",
            "PYTHONWARNINGS": "ignore",
        }

    def _lay_out(self, user: str) -> None:
        for name in (
            "carbon",
            "carbon/conf",
            "carbon/storage",
            "carbon/storage/log",
            "carbon/storage/log/webapp",
            "carbon/storage/whisper",
        ):
            self._sandbox.make_folder(name, owner=user)
        conf = self.root / "conf"
        (conf / "carbon.conf").write_text(carbon_conf(self.port, self._query_port))
        (conf / "storage-schemas.conf").write_text(
            schemas(SHIPPED.joinpath("storage-schemas.conf").read_text(), self._intervals)
        )
        (conf / "storage-aggregation.conf").write_text(SHIPPED.joinpath("storage-aggregation.conf").read_text())
        (conf / "render_settings.py").write_text(render_settings(self._query_port))


def carbon_conf(port: int, query_port: int) -> str:
    """carbon.conf: loopback only, no pickle, no limit on writes: a demo creates all its files in its first seconds."""
    return f"""[cache]
DATABASE = whisper
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
ENABLE_UDP_LISTENER = False
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query_port}
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
MIN_TIMESTAMP_RESOLUTION = 1
WHISPER_SPARSE_CREATE = True
ENABLE_LOGROTATION = False
LOG_UPDATES = False
LOG_CREATES = False
LOG_CACHE_HITS = False
"""


def schemas(shipped: str, intervals: Mapping[str, int]) -> str:
    """The shipped schemas; a rule whose points come faster than its finest tier gets a finer tier in front."""
    lines, rule = [], ""
    for line in shipped.splitlines():
        heading = re.fullmatch(r"\[(\w+)\]", line)
        rule = heading[1] if heading else rule
        finest = re.fullmatch(r"retentions = (\d+)s:.*", line)
        interval_s = intervals.get(rule)
        if finest and interval_s and interval_s < int(finest[1]):
            line = line.replace("= ", f"= {interval_s}s:{FINEST_KEPT},", 1)
        lines.append(line)
    return "\n".join(lines) + "\n"


def render_settings(query_port: int) -> str:
    """Settings module of graphite-web: what carbon has in memory is asked for, nothing is cached."""
    return f"""SECRET_KEY = "answers on loopback, holds no session"
ALLOWED_HOSTS = ["*"]
TIME_ZONE = "UTC"
CARBONLINK_HOSTS = ["127.0.0.1:{query_port}"]
CARBONLINK_TIMEOUT = 5.0
MEMCACHE_HOSTS = []
DEFAULT_CACHE_DURATION = 0
LOG_ROTATION = False
"""


def virtual_environment() -> Path:
    """The environment with the pinned versions, built on first use (a minute)."""
    key = hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    return at_home(cached_folder(f"graphite-{key}", _install))


def _install(folder: Path) -> None:
    for argv in (
        ["/usr/bin/python3", "-m", "venv", str(folder)],
        [f"{folder}/bin/pip", "install", "-q", "-r", str(PINS)],
    ):
        done = subprocess.run(
            argv,
            env={**os.environ, "GRAPHITE_NO_PREFIX": "True", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DeployError(f"`{' '.join(argv)}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
