"""One mount, pid, ipc and host name namespace that holds everything of an instance.

Owns the namespace's first process (`holder.py`) and its mount plan: private /etc/passwd, /etc/group, /etc/hosts,
/etc/slurm, /run, /tmp, /var/tmp and /dev/shm. Invariants: the host's files are never written; the work folder has the
same path inside and outside; when the owner ends, by SIGKILL too, every process and mount of the instance is gone.
Components run in it through `run` (to its end) and `spawn` (until stopped).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from deploy import accounts, instance
from deploy.errors import DeployError, MachineLacks
from deploy.ports import Ports
from deploy.process import Process, child_of

HOLDER = Path(__file__).with_name("holder.py")
CHECKOUT = Path(__file__).resolve().parent.parent
START_MAX_S = 20.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("unshare", "nsenter", "setpriv", "mount", "umount")
# Bounded, so that a dead daemon's dropbox never eats memory; an event takes one page and one inode.
DROPBOX_OPTIONS = "size=16m,nr_inodes=8k,mode=755"

Step = tuple[str, ...]


def plan(folder: Path, host_name: str, keep: Sequence[Path] = ()) -> list[Step]:
    """The mount steps for `holder.py`, in order. `keep` names paths below /tmp or /var/tmp that stay visible."""
    work, private_tmp = str(folder), f"{folder}/tmp"
    steps: list[Step] = [("proc", "/proc"), ("hostname", host_name)]
    steps += [("bind", f"{work}/etc/{name}", f"/etc/{name}") for name in ("passwd", "group", "hosts")]
    steps += [("bind_if_there", f"{work}/etc/slurm", "/etc/slurm")]
    steps += _run_steps(f"{work}/host-run")
    steps += [("tmpfs", "/dev/shm", "mode=1777")]
    for path in dict.fromkeys([folder, *keep]):
        if path.is_relative_to("/tmp"):
            steps += [("bind_if_there", str(path), f"{private_tmp}/{path.relative_to('/tmp')}")]
    steps += [("bind_tree", private_tmp, "/tmp"), ("bind", f"{work}/var-tmp", "/var/tmp")]
    return steps


def _run_steps(stash: str) -> list[Step]:
    """A private /run that keeps the host's systemd and D-Bus sockets, and has folders for what we start."""
    steps: list[Step] = [("bind", "/run", stash), ("tmpfs", "/run", "mode=755,size=256m")]
    steps += [("bind_if_there", f"{stash}/{name}", f"/run/{name}") for name in ("systemd", "dbus")]
    steps += [("unmount", stash), ("link", "/dev/shm", "/run/shm")]
    steps += [("folder", "/run/lock", "1777", "root", "root"), ("folder", "/run/slurmlens", "755", "root", "root")]
    steps += [("folder", "/run/slurmlens/events", "755", "root", "root")]
    steps += [("tmpfs", "/run/slurmlens/events", DROPBOX_OPTIONS)]
    steps += [
        ("folder", f"/run/slurmlens/{name}", "2770", "root", "slurmlens") for name in ("events", "lost", "silence")
    ]
    steps += [("folder", "/run/slurmlens/controller", "755", "root", "root")]
    for name in ("events", "lost"):
        steps += [("folder", f"/run/slurmlens/controller/{name}", "2770", "slurm", "slurmlens")]
    return steps


class Sandbox:
    """A running namespace with its work folder; a context manager that leaves nothing behind."""

    def __init__(self, keep: Sequence[Path] = ()) -> None:
        require_programs(NEEDED)
        if os.geteuid() != 0:
            raise MachineLacks("namespaces and cgroups need root: run as root")
        self.folder = instance.create()
        self.identity = instance.identity(self.folder)
        self.host_name = self.identity
        self.ports = Ports()
        self._keep = [CHECKOUT, *keep]
        self._unshare: subprocess.Popen[bytes] | None = None
        self._holder_pid: int | None = None
        self._spawned: list[Process] = []

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def holder_pid(self) -> int:
        """Pid, as the host sees it, of the namespace's first process."""
        if self._holder_pid is None:
            raise DeployError("the sandbox is not started")
        return self._holder_pid

    def start(self) -> None:
        """Makes the namespace; returns when its mounts are there."""
        self._lay_out()
        plan_file = self.folder / "mounts.json"
        plan_file.write_text(json.dumps(plan(self.folder, self.host_name, self._keep)))
        unshare = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--"]
        with (self.folder / "log/holder.log").open("wb") as log:
            self._unshare = subprocess.Popen(
                [*unshare, "/usr/bin/python3", "-I", str(HOLDER), str(plan_file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._holder_pid = child_of(self._unshare.pid)
        if self._holder_pid is not None:
            instance.mark(self.folder, os.getpid(), self._unshare.pid, self._holder_pid)
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != b"ready\n" or self._holder_pid is None:
            said = (self.folder / "log/holder.log").read_text(errors="replace").strip()
            self.stop()
            raise MachineLacks(f"this machine does not allow the private namespaces that the small Slurm needs: {said}")

    def stop(self) -> None:
        """Ends every process in the namespace and removes the work folder and the empty cgroup folders."""
        for process in self._spawned:
            process.resume()  # the namespace ends only when every nsenter has seen its program's end
        self._spawned.clear()
        if self._unshare is not None:
            assert self._unshare.stdin is not None
            assert self._unshare.stdout is not None
            self._unshare.stdin.close()
            self._unshare.wait()
            self._unshare.stdout.close()
            self._unshare = None
        self.ports.close()
        instance.remove(self.folder)

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        stdin: str = "",
        timeout_s: float = 60.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program inside to its end; raises DeployError with its output when `check` and it fails."""
        done = subprocess.run(
            self.enter(argv, user=user, env=env, cwd=cwd),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            start_new_session=True,
            check=False,
        )
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise DeployError(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")
        return done

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        capabilities: Sequence[str] = (),
    ) -> Process:
        """Starts a program inside; its output goes to log/<name>.log in the work folder."""
        log = self.folder / "log" / f"{name}.log"
        with log.open("ab") as output:
            entered = subprocess.Popen(
                self.enter(argv, user=user, env=env, cwd=cwd, capabilities=capabilities),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = Process(name, entered, log)
        self._spawned.append(process)
        return process

    def enter(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        capabilities: Sequence[str] = (),
    ) -> list[str]:
        """The command line that runs `argv` inside, with a clean environment, as the user, dying with its nsenter."""
        return enter_command(self.holder_pid, self.folder, argv, user=user, env=env, cwd=cwd, capabilities=capabilities)

    def make_folder(self, name: str, *, owner: str = "root", mode: int = 0o755) -> Path:
        """A folder in the work folder, owned by a user of the sandbox."""
        path = self.folder / name
        self.run(["install", "-d", "-o", owner, "-g", owner, "-m", f"{mode:o}", str(path)])
        return path

    def can_read(self, user: str, path: Path) -> bool:
        """Whether the user may read the path inside; what lies in root's home is out of reach for others."""
        return self.run(["test", "-r", str(path)], user=user, check=False).returncode == 0

    def _lay_out(self) -> None:
        folders = {"etc/slurm": 0o755, "log": 0o755, "host-run": 0o755, "tmp": 0o1777, "var-tmp": 0o1777}
        for name, mode in folders.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name).chmod(mode)
        etc = self.folder / "etc"
        home = f"{self.folder}/home"
        (etc / "passwd").write_text(accounts.passwd(Path("/etc/passwd").read_text(), home))
        (etc / "group").write_text(accounts.group(Path("/etc/group").read_text()))
        (etc / "hosts").write_text(f"127.0.0.1 {self.host_name} localhost\n")
        for user in accounts.USERS:
            path = Path(home) / user.name
            path.mkdir(parents=True)
            os.chown(path, user.uid, user.uid)


def enter_command(
    holder_pid: int,
    folder: Path,
    argv: Sequence[str],
    *,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path = "/",
    capabilities: Sequence[str] = (),
) -> list[str]:
    """As `Sandbox.enter`, for whoever knows the holder's pid."""
    who = user or "root"
    home = f"{folder}/home/{who}" if (folder / "home" / who).exists() else "/"
    variables = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, "USER": who, "LOGNAME": who, "SHELL": "/bin/bash"}
    variables.update(env or {})
    command = ["nsenter", f"--target={holder_pid}", "--mount", "--pid", "--ipc", "--uts", "--root", "--"]
    command += ["env", "-i", f"--chdir={cwd}", *(f"{key}={value}" for key, value in variables.items())]
    command += ["setpriv", "--pdeathsig=KILL"]
    if who != "root":
        command += [f"--reuid={who}", f"--regid={who}", "--init-groups"]
    if capabilities:
        added = ",".join(f"+{name}" for name in capabilities)
        command += [f"--inh-caps={added}", f"--ambient-caps={added}"]
    return [*command, "--", *argv]


def require_programs(names: Sequence[str]) -> None:
    """Raises MachineLacks naming every program that is not on PATH."""
    missing = [name for name in names if shutil.which(name, path=f"{PATH}:{os.environ.get('PATH', '')}") is None]
    if missing:
        raise MachineLacks(f"not installed: {', '.join(missing)} (`make setup` installs what is needed)")
