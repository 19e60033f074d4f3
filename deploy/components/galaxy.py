"""A Galaxy 26.1 from pip packages alone, on the loopback address: server and Celery worker, with the tools here.

`Galaxy.url` answers its API, `user_key` is an ordinary user's, `admin_key` the administrator's. Tools run as
processes of the server and find `slurmlens` of this checkout on its PATH; SLURMLENS_HUB is which hub they ask. Without
the worker each job would cost ten CPU seconds. It is started once a session: 35 CPU seconds, 1.2 GB of memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.cache import cached_folder
from deploy.component import Service, wait_ready
from deploy.components.fetch import key, run
from deploy.sandbox import CHECKOUT, PATH, Sandbox
from deploy.slurmlens import PROGRAMS
from deploy.virtual_environment import at_home

PINS = Path(__file__).parents[1] / "pins"
TOOLS = CHECKOUT / "galaxy"
READY_MAX_S = 400.0
ADMIN_KEY = "an-administrators-key-of-a-test"
USER, PASSWORD = "tester", "a-long-password-1"

_CONFIG: dict[str, Any] = {
    "data_dir": "data",
    "tool_config_file": "own_tools.xml",
    "tool_data_table_config_path": "tool_data_table_conf.xml",
    "datatypes_config_file": "datatypes_conf.xml",
    "integrated_tool_panel_config": "integrated_tool_panel.xml",
    "involucro_auto_init": False,
    "bootstrap_admin_api_key": ADMIN_KEY,
    "log_level": "INFO",
    "enable_celery_tasks": True,
    "metadata_strategy": "extended_celery",
    "workflow_monitor_sleep": 0.25,
    "job_handler_monitor_sleep": 0.25,
}
_DATATYPES = """<datatypes><registration>
<datatype extension="data" type="galaxy.datatypes.data:Data" mimetype="application/octet-stream"/>
<datatype extension="txt" type="galaxy.datatypes.data:Text" display_in_upload="true"/>
<datatype extension="html" type="galaxy.datatypes.text:Html" mimetype="text/html"/>
<datatype extension="json" type="galaxy.datatypes.text:Json" mimetype="application/json" display_in_upload="true"/>
</registration><sniffers><sniffer type="galaxy.datatypes.text:Json"/></sniffers></datatypes>
"""


class Galaxy:
    """Server and worker; `hub` is the address that its tools ask, which must stand before the first start.

    `partition`: jobs go to that one of the Slurm in the same sandbox, by Galaxy's command-line runner.
    """

    def __init__(self, sandbox: Sandbox, hub: str, name: str = "galaxy", partition: str | None = None) -> None:
        self.name = name
        self._partition = partition
        self.url = f"http://127.0.0.1:{sandbox.ports.take()}"
        self.admin_key = ADMIN_KEY
        self.folder = sandbox.folder / name
        self.hub = hub
        environment = server_environment()
        env = {
            "GALAXY_CONFIG_FILE": f"{self.folder}/galaxy.yml",
            "PATH": f"{environment}/bin:{PROGRAMS}:{PATH}",
            "HOME": str(self.folder),
        }
        port = self.url.rpartition(":")[2]
        argv = [f"{environment}/bin/galaxy-web", "-b", f"127.0.0.1:{port}"]
        self.server = Service(sandbox, name, argv, self._answers, env=env, cwd=self.folder, grace_s=20.0)
        queues = "celery,galaxy.internal,galaxy.external"
        worker = [f"{environment}/bin/celery", "--app", "galaxy.celery", "worker", "--pool", "threads"]
        argv = [*worker, "--concurrency", "2", "--queues", queues, "--loglevel", "INFO"]
        self.worker = Service(sandbox, f"{name}-worker", argv, self._works, env=env, cwd=self.folder, grace_s=20.0)

    def start(self) -> None:
        """Starts both; the server answers after half a minute, or several where the machine is busy."""
        if not self.folder.exists():
            self._lay_out()
        self.server.start()
        self.worker.start()

    def start_and_wait(self) -> float:
        """Starts both and waits for them; the seconds it took."""
        self.start()
        return self.wait()

    def wait(self) -> float:
        """Until the server answers and the worker works; the seconds it took."""
        return wait_ready(self.server, READY_MAX_S) + wait_ready(self.worker, READY_MAX_S)

    def ready(self) -> bool:
        return self.server.ready() and self.worker.ready()

    def stop(self) -> None:
        self.worker.stop()
        self.server.stop()

    def user_key(self) -> str:
        """A key of an ordinary user, who is made when first asked for: planemo and tools do not take the other one."""
        found = [one for one in self._admin("GET", "users") if one["username"] == USER]
        user = found[0] if found else self._admin("POST", "users", {
            "username": USER, "email": f"{USER}@example.org", "password": PASSWORD,
        })  # fmt: skip
        return str(self._admin("POST", f"users/{user['id']}/api_key"))

    def _admin(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"x-api-key": ADMIN_KEY, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def _works(self) -> bool:
        """The worker says so in its log: it has no port."""
        return self.worker.log is not None and b" ready." in self.worker.log.read_bytes()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/version", timeout=5):
                return True
        except OSError:
            return False

    def _jobs(self) -> dict[str, Any]:
        """Galaxy hands jobs nothing of its own environment: which hub tools ask stands with where they run."""
        name, where = "local", {"runner": "local"}
        if self._partition is not None:
            name, where = "slurm", {"runner": "cli", "shell_plugin": "LocalShell", "job_plugin": "Slurm"}
            where |= {"job_partition": self._partition, "job_time": "00:10:00"}
        asked = {"env": [{"name": "SLURMLENS_HUB", "value": self.hub}]}
        runners = {
            "local": {"load": "galaxy.jobs.runners.local:LocalJobRunner", "workers": 2},
            "cli": {"load": "galaxy.jobs.runners.cli:ShellJobRunner", "workers": 1},
        }
        return {"runners": runners, "execution": {"default": name, "environments": {name: {**where, **asked}}}}

    def _lay_out(self) -> None:
        shutil.copytree(TOOLS, self.folder / "tools")
        (self.folder / "data").mkdir()  # where both make the database: whoever comes first does not find it else
        tools = "".join(f'<tool file="{one.name}"/>' for one in sorted(TOOLS.glob("slurmlens_*.xml")))
        section = f'<section id="slurmlens" name="slurmlens">{tools}</section>'
        files = {
            "galaxy.yml": json.dumps({"galaxy": {**_CONFIG, "job_config": self._jobs()}}),  # JSON is YAML
            "own_tools.xml": f'<toolbox tool_path="{self.folder}/tools">{section}</toolbox>',
            "tool_data_table_conf.xml": "<tables/>",
            "datatypes_conf.xml": _DATATYPES,
        }
        for name, text in files.items():
            (self.folder / name).write_text(text)


def server_environment() -> Path:
    """The server's virtual environment from the cache, made on first use: 1.1 GB, some minutes."""
    return _environment("galaxy")


def client_environment() -> Path:
    """planemo's and gxformat2's."""
    return _environment("galaxy-client")


def planemo(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs planemo, or another program of the clients, in a folder of its own, where it leaves files."""
    environment = client_environment()
    env = {**os.environ, "PATH": f"{environment}/bin:{PATH}", "HOME": str(folder), "TMPDIR": str(folder)}
    argv = [str(environment / "bin" / arguments[0]), *arguments[1:]]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)


def _environment(name: str) -> Path:
    pins = PINS / f"{name}.txt"

    def build(folder: Path) -> None:
        run(["/usr/bin/python3", "-m", "venv", str(folder)], cwd=folder)
        install = [f"{folder}/bin/pip", "install", "-q", "--no-deps", "--no-cache-dir", "-r", str(pins)]
        run(install, cwd=folder, env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"})

    return at_home(cached_folder(key(name, pins), build))
