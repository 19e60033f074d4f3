"""One virtual machine on an image: starts from the image's state, takes commands by ssh on a loopback port.

Owns the qemu process and a disk that holds only what this machine wrote; the image itself stays as it is. The disk
keeps whole states of the machine as well (memory, processes and files), each under a name: what took minutes to set up
is there again in seconds, in this process or a later one. The guest reaches no network. KVM where it can be used, else
emulation, which is many times slower.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deploy.errors import ComponentFailed
from deploy.vm.image import ADDRESS, Image
from deploy.vm.monitor import Monitor

BOOT_S = 600.0
"""20 s on an idle machine; many times that where two cores are shared, for nothing here is accelerated."""
POLL_S = 0.5
LOOK_S = 2.0
"""Between two looks into the guest, each of which costs it a shell and what the shell runs."""
DRIVE = "root"
KERNEL_LINE = (
    "root=/dev/vda rw console=ttyS0 systemd.unified_cgroup_hierarchy=1 psi=1 net.ifnames=0 mitigations=off "
    # A starved emulator misses the ticks that the kernel counts at its begin, which then panics; and a panic ends qemu.
    # Units that wait for a device or a service get the time that all takes there.
    "no_timer_check panic=1 systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900"
)


# Five-level paging is left out: the emulator says 48 bits all the same, and the kernel then takes its own names in
# /proc/self/mountinfo for bad addresses and writes x for each letter, so that no mount is ever seen.
PROCESSOR = "max,-svm,-vmx,-la57"


class VirtualMachine:
    """`start`, then `run` commands in it as root; `save` a state and `load` it again; `power_off` is a power cut.

    One that was left running in its folder is taken up again: whoever writes tests sees what a failed one left.
    """

    def __init__(self, image: Image, folder: Path, memory_mib: int = 4096) -> None:
        self._image = image
        self._folder = folder
        self._memory_mib = memory_mib
        self._disk = folder / "disk.qcow2"
        self._monitor = Monitor(folder / "qmp")
        self._process: subprocess.Popen[bytes] | None = None
        self._left = folder / "port"
        self._port = int(self._left.read_text()) if self._left.exists() else _free_port()

    @property
    def console(self) -> Path:
        return self._folder / "console.log"

    def start(self) -> None:
        """Boots it, unless it runs already, and waits until it takes commands."""
        self._be_there()
        self._monitor.ask("cont")
        self._wait_for_ssh()

    def states(self) -> set[str]:
        """The names of what was saved on its disk, now or by an earlier process."""
        self._be_there()
        (disk,) = (one for one in self._monitor.ask("query-block") if one["device"] == DRIVE)
        return {one["name"] for one in disk["inserted"]["image"].get("snapshots", ())}

    def save(self, state: str) -> None:
        """Keeps all of it as it is now, under a name; it goes on running."""
        self._leave_ssh()
        self._monitor.tell(f"savevm {state}")

    def load(self, state: str) -> None:
        """All of it as it was when that state was saved, its clock too; what it did since is forgotten."""
        self._be_there()
        self._leave_ssh()
        self._monitor.tell(f"loadvm {state}")
        self._monitor.ask("cont")
        self._wait_for_ssh()

    def forget(self, state: str) -> None:
        """Frees what a saved state takes on the disk."""
        self._monitor.tell(f"delvm {state}")

    def _be_there(self) -> None:
        """Has the process of this machine run; one that begins here stands still before its first instruction."""
        if self._is_up():
            return
        self._left.write_text(str(self._port))
        if not self._disk.exists():
            image = self._image.disk.resolve()  # the cache may be a link, which goes with its checkout
            subprocess.run(
                ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, self._disk), check=True
            )
        argv: list[str | Path] = [
            "qemu-system-x86_64",
            *("-accel", _accelerator(), "-cpu", PROCESSOR, "-smp", "2", "-m", str(self._memory_mib)),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S"),
            *("-kernel", self._image.kernel, "-initrd", self._image.initrd, "-append", KERNEL_LINE),
            *("-drive", f"id={DRIVE},file={self._disk},format=qcow2,if=virtio,cache=unsafe"),
            *("-nic", f"user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-{ADDRESS}:22"),
            *("-object", "rng-random,id=r,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=r"),
            *("-serial", f"file:{self.console}", "-qmp", f"unix:{self._monitor.path},server=on,wait=off"),
        ]
        with (self._folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + BOOT_S
        while not self._is_up():
            self._fail_if_ended()
            if time.monotonic() > deadline:
                raise ComponentFailed("virtual machine", f"no QEMU after {BOOT_S:g} s", self._folder / "qemu.log")
            time.sleep(POLL_S)

    def _is_up(self) -> bool:
        try:
            self._monitor.ask("query-status")
        except OSError:
            return False
        return True

    def _fail_if_ended(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise ComponentFailed("virtual machine", "ended while it began", self._folder / "qemu.log")

    def _wait_for_ssh(self) -> None:
        deadline = time.monotonic() + BOOT_S
        while self._ssh("true", None).returncode != 0:
            self._fail_if_ended()
            if time.monotonic() > deadline:
                raise ComponentFailed("virtual machine", f"takes no commands after {BOOT_S:g} s", self.console)
            time.sleep(POLL_S)

    def run(self, command: str, *, check: bool = True, given: bytes | None = None) -> str:
        """What a shell command printed in the guest, errors too; raises ComponentFailed unless it ended with 0."""
        done = self._ssh(command, given)
        said = done.stdout.decode(errors="replace")
        if check and done.returncode != 0:
            raise ComponentFailed("virtual machine", f"`{command}` ended with {done.returncode}: {said[-3000:]}")
        return said

    def until(self, command: str, within_s: float = 60.0) -> str:
        """Runs the command again until it ends with 0; returns what it printed then."""
        deadline = time.monotonic() + within_s
        while (done := self._ssh(command, None)).returncode != 0:
            if time.monotonic() > deadline:
                said = done.stdout.decode(errors="replace")[-3000:]
                raise ComponentFailed("virtual machine", f"`{command}` not within {within_s:g} s: {said}")
            time.sleep(LOOK_S)
        return done.stdout.decode(errors="replace")

    def put(self, text: str, path: str) -> None:
        """Writes a file in the guest."""
        self.run(f"cat > {shlex.quote(path)}", given=text.encode())

    def copy(self, files: Sequence[Path], folder: str) -> None:
        """Copies files into a folder of the guest."""
        names = [one.name for one in files]
        archive = subprocess.run(["tar", "-C", files[0].parent, "-cf", "-", *names], check=True, capture_output=True)
        self.run(f"mkdir -p {folder} && tar -C {folder} -xf -", given=archive.stdout)

    def power_off(self) -> None:
        """Ends it as a power cut does; `start` boots it again from its own disk."""
        self._leave_ssh()
        with suppress(OSError):
            self._monitor.ask("quit")
        deadline = time.monotonic() + BOOT_S
        while self._is_up() or (self._process is not None and self._process.poll() is None):
            if time.monotonic() > deadline:
                raise ComponentFailed("virtual machine", f"does not end within {BOOT_S:g} s", self._folder / "qemu.log")
            time.sleep(POLL_S)
        self._process = None

    def _leave_ssh(self) -> None:
        """The connection that is held for the next command is of the machine as it is now."""
        subprocess.run(["ssh", *self._ssh_options(), "-O", "exit", "root@127.0.0.1"], capture_output=True, check=False)

    def _ssh_options(self) -> list[str]:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=5",
                   f"ControlPath={self._folder}/ssh", "ControlMaster=auto", "ControlPersist=60")  # fmt: skip
        return ["-p", str(self._port), "-i", str(self._image.identity), *(f"-o{one}" for one in options)]

    def _ssh(self, command: str, given: bytes | None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["ssh", *self._ssh_options(), "root@127.0.0.1", command],
            input=given or b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            check=False,
        )


def _accelerator() -> str:
    """KVM only where the processor has what it needs: /dev/kvm may be there without, and a guest then never begins."""
    flags = Path("/proc/cpuinfo").read_text().split()
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and not {"vmx", "svm"}.isdisjoint(flags)
    return "kvm" if usable else "tcg,thread=multi"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
