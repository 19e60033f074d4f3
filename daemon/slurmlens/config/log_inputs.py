"""Settings of the log lines that a node's daemon takes in: from the journal, from syslog, from files.

Part of the settings of `slurmlens-node`; read by `node.log_inputs`. Each table switches one input on; without any,
nothing of this is loaded.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, optional_section, setting
from slurmlens.config.shared import KIB

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def address_of(text: str) -> tuple[str, int] | None:
    """Host and port of HOST:PORT, an IPv6 address in brackets; None for anything else."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or bare.strip() != bare or not (port.isascii() and port.isdecimal()) or len(port) > 5:
        return None
    return (bare, int(port)) if int(port) < 65_536 else None


class JournalInputConfig(Settings):
    """The machine's journal, by one journalctl; the daemon's user must be in the group systemd-journal."""

    program: Path = setting(Path("/usr/bin/journalctl"), "the journalctl that is run")
    folder: Path | None = setting(
        None, "journal files that are read instead of the machine's own", example='"/var/log/journal/remote"'
    )
    matches: tuple[str, ...] = setting(
        (), 'which entries, as journalctl takes them: ["_SYSTEMD_UNIT=slurmd.service", "+", "_TRANSPORT=kernel"]'
    )
    severity: str = setting("debug", "entries of this severity and worse", choices=SEVERITIES)
    from_beginning: bool = setting(False, "at the first start all that is there, not only what comes")

    def problems(self) -> Iterator[tuple[str, str]]:
        for match in self.matches:
            name, equals, _ = match.partition("=")
            if match != "+" and not (equals and name and name.replace("_", "").isalnum() and name == name.upper()):
                yield "matches", f"{match!r} is no FIELD=value, and no +"


class SyslogInputConfig(Settings):
    """Syslog, RFC 3164 and 5424; whatever arrives counts as this node's, and a host it names is kept beside."""

    udp: str | None = setting(None, "HOST:PORT where datagrams are taken", example='"127.0.0.1:5514"')
    tcp: str | None = setting(
        None, "HOST:PORT where streams are taken, frames by length or by line", example='"127.0.0.1:5514"'
    )
    socket: Path | None = setting(
        None,
        "a datagram socket as /dev/log is one; who writes there is known by the kernel's word",
        example='"/run/slurmlens-node/log"',
    )
    connections: int = setting(64, "streams at once", minimum=1, maximum=1024)

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.udp is None and self.tcp is None and self.socket is None:
            yield "udp", "nothing would be listened to: set udp, tcp or socket, or remove the table"
        for key in ("udp", "tcp"):
            text = getattr(self, key)
            if text is not None and address_of(text) is None:
                yield key, f"{text!r} is no HOST:PORT"


class Documents2015InputConfig(Settings):
    """JSON documents over UDP, one a datagram: those of 2015 (@timestamp, @message, @fields) and all a hub reads."""

    udp: str = setting("127.0.0.1:55514", "HOST:PORT where datagrams are taken")

    def problems(self) -> Iterator[tuple[str, str]]:
        if address_of(self.udp) is None:
            yield "udp", f"{self.udp!r} is no HOST:PORT"


class FilesInputConfig(Settings):
    """Log files that are followed, through rotation and truncation: slurmd.log, slurmctld.log."""

    paths: tuple[str, ...] = setting(
        ("/var/log/slurm/slurmd.log",), "the files; the program of a line is the name of its file"
    )
    from_beginning: bool = setting(False, "a file that is there at the first start is read from its beginning")
    poll_interval_s: float = setting(1.0, "how often files are looked at", minimum=0.05, maximum=60)

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.paths:
            yield "paths", "name at least one file, or remove the table"
        for path in self.paths:
            if not path.startswith("/") or "\0" in path:
                yield "paths", f"{path!r} is no full path"
        if len(set(self.paths)) < len(self.paths):
            yield "paths", "a file stands twice"


class LogInputsConfig(Settings):
    """Log lines of this node; each table below switches an input on. What is over a bound is dropped and reported."""

    unit_lines_per_s: int = setting(1000, "lines of a unit or program; ten times as many at once", minimum=1)
    unit_bytes_per_s: int = setting(512 * KIB, "bytes of a unit or program; ten times as many at once", minimum=KIB)
    job_lines_per_s: int = setting(500, "lines of a job; ten times as many at once", minimum=1)
    job_bytes_per_s: int = setting(256 * KIB, "bytes of a job; ten times as many at once", minimum=KIB)
    lines_per_s: int = setting(
        5000,
        "read at most so fast, all together: what comes faster waits where it is, and datagrams that find no room "
        "there are counted as dropped",
        minimum=100,
    )
    linger_s: float = setting(1.0, "longest wait of a line for company", minimum=0, maximum=60)
    journal: JournalInputConfig | None = optional_section("the machine's journal")
    syslog: SyslogInputConfig | None = optional_section("syslog, RFC 3164 and 5424")
    documents_2015: Documents2015InputConfig | None = optional_section("JSON documents over UDP, those of 2015 too")
    files: FilesInputConfig | None = optional_section("log files that are followed")

    @property
    def is_on(self) -> bool:
        """Whether any input is switched on."""
        return any(one is not None for one in (self.journal, self.syslog, self.documents_2015, self.files))
