"""The inputs that the settings switch on, and the road behind them, as stages of the node's daemon.

Owns the table of inputs: a new one is a file beside, a table in `config.log_inputs` and a row here. Called once by the
node's pipeline, where `[logs]` has an input; the sockets' lines are made here, for they differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import tzinfo
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from slurmlens.clock import Clock
from slurmlens.config.log_inputs import LogInputsConfig, SyslogInputConfig, address_of
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.errors import ConfigError, DecodeError
from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.attribution import Attribution, JobsHere
from slurmlens.node.log_inputs.datagrams import LOG_SOCKET_QUEUE, Datagram, DatagramInput, log_socket, udp_socket
from slurmlens.node.log_inputs.files import FilesInput
from slurmlens.node.log_inputs.journal import JournalInput
from slurmlens.node.log_inputs.positions import LogPositions
from slurmlens.node.log_inputs.road import LogRoad
from slurmlens.node.log_inputs.streams import SyslogStreams
from slurmlens.runtime.file_systems import is_of_network, kind_by_name
from slurmlens.runtime.local_zone import LocalZone
from slurmlens.runtime.supervisor import Stage
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.log_bytes import text_of
from slurmlens.wire.log_documents import line_of, node_of
from slurmlens.wire.syslog_lines import line_of_message

POSITIONS = "log-positions.json"


class LogInputsDependencies(msgspec.Struct, frozen=True):
    """What the inputs are handed: whose node it is, its jobs, the spool's two doors, where positions are kept,
    and where while that takes nothing."""

    node: str
    boot_id: str
    jobs: JobsHere
    append: Callable[[Batch], Awaitable[None]]
    give_up: Callable[[Stream, str, int], None]
    folder: Path
    runtime_path: Path
    clock: Clock
    reporter: Reporter


class LogInputs:
    """All log inputs of one node."""

    def __init__(self, config: LogInputsConfig, given: LogInputsDependencies) -> None:
        self._config = config
        self._given = given
        folders = [given.folder, given.runtime_path]
        if is_of_network(kind_by_name(given.folder, given.jobs.proc)):
            del folders[0]  # its server may hang, and the spool does not write there either
        self._positions = LogPositions([folder / POSITIONS for folder in folders], given.reporter)
        self._road = LogRoad(
            *(config, Attribution(given.jobs), self._positions, given.append, given.give_up, given.clock),
            given.reporter,
        )
        self._zone: tzinfo = LocalZone()
        self._started = f"{given.boot_id[:8]}-{given.clock.boottime_ns():x}"
        self._numbers = count()

    @property
    def stages(self) -> Mapping[str, Stage]:
        """What a supervisor is to run, by name."""
        return {"log lines": self._road.run, "log positions": self._positions.run, **dict(self._inputs())}

    async def flush(self) -> None:
        """Send what waits: the daemon ends."""
        await self._road.flush()

    def close(self) -> None:
        """Keep where to go on; once nothing is delivered any more."""
        self._positions.save()

    def _inputs(self) -> Iterator[tuple[str, Stage]]:
        config, given = self._config, self._given
        road, positions = self._road, self._positions
        if config.journal is not None:
            journal = JournalInput(config.journal, given.node, road, positions, given.clock, given.reporter)
            yield "log input journal", journal.run
        if config.syslog is not None:
            yield from self._syslog(config.syslog)
        if config.documents_2015 is not None:
            udp = config.documents_2015.udp
            make = partial(udp_socket, _address(udp))
            yield "log input documents", DatagramInput(udp, make, self._document, road, given.reporter).run
        if config.files is not None:
            files = FilesInput(
                *(config.files, given.node, self._zone, road, positions, given.clock),
                proc=given.jobs.proc,
                reporter=given.reporter,
            )
            yield "log input files", files.run

    def _syslog(self, config: SyslogInputConfig) -> Iterator[tuple[str, Stage]]:
        road, reporter = self._road, self._given.reporter
        if config.udp is not None:
            make = partial(udp_socket, _address(config.udp))
            yield "log input udp", DatagramInput(config.udp, make, self._message, road, reporter).run
        if config.socket is not None:
            make = partial(log_socket, config.socket)
            yield (
                "log input socket",
                DatagramInput(*(str(config.socket), make, self._message, road, reporter), queue=LOG_SOCKET_QUEUE).run,
            )
        if config.tcp is not None:
            streams = SyslogStreams(_address(config.tcp), config.connections, self._message, road, reporter)
            yield "log input tcp", streams.run

    def _message(self, datagram: Datagram) -> LogLine:
        """A syslog message; who wrote to the log socket is the kernel's word."""
        source = "syslog" if datagram.pid is None else "socket"
        arrived_ns = self._given.clock.wall_ns()
        line = line_of_message(datagram.data, self._id(), self._given.node, arrived_ns, self._zone, source)
        if datagram.pid is None:
            return line
        return msgspec.structs.replace(line, pid=datagram.pid, user_id=datagram.user_id)

    def _document(self, datagram: Datagram) -> LogLine:
        """A document of 2015, or any that a hub reads; what is none is kept as the text that it is."""
        arrived_ns = self._given.clock.wall_ns()
        node = self._given.node
        try:
            document = msgspec.json.decode(datagram.data.decode("utf-8", "replace"), type=dict[str, object])
            line = line_of({**document, "host.name": node}, arrived_ns)
        except (msgspec.DecodeError, RecursionError, DecodeError):
            marks: dict[str, str | int] = {"format": "no document"}
            text, is_cut = text_of(datagram.data, marks)
            return LogLine(
                id=self._id(),
                time_ns=arrived_ns,
                node=node,
                message=text,
                source="documents",
                is_cut=is_cut,
                fields=marks,
            )
        host = node_of(document)
        marks = line.fields if host is None or host.partition(".")[0] == node else line.fields | {"host_as_sent": host}
        return msgspec.structs.replace(line, id=self._id(), source="documents", job_source=None, fields=marks)

    def _id(self) -> str:
        return f"{self._started}-{next(self._numbers):x}"


def _address(text: str) -> tuple[str, int]:
    address = address_of(text)
    if address is None:
        raise ConfigError(f"{text!r} is no HOST:PORT", key="logs")
    return address
