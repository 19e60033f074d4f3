"""REPLAY: an hour's outage delivered when carbon is back: how soon, at what price, and whether the ticks feel it.

The daemon starts with the hour in its spool (`outage`), samples 200 jobs meanwhile, and is watched through its status
socket. Into carbon-c-relay it goes at the default bound, and what the relay wrote to its file is counted. Into
carbon-cache it goes without one, against a loop that only sends the same lines to a fresh carbon-cache. Lag and bursts
are those of P10 and P25, with the replay going on.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.carbon import Carbon
from deploy.component import start_and_wait
from deploy.components.carbon_c_relay import CarbonCRelay
from deploy.errors import DeployError
from deploy.sandbox import Sandbox

from bench.default_state import SETTLED_AFTER_S, watch_process
from bench.node_daemon import DaemonShape, NodeDaemon
from bench.outage import HOUR_S, SLOTS, Backlog
from bench.p10_loop_lag import p99_us
from bench.result import Goal, NotMeasurable, Result, Row, interleave
from bench.setting import Setting

RELAY = Row(
    "REPLAY",
    "an hour at 1 Hz, 200 cgroups, into carbon-c-relay at the default bound",
    Goal(120, "< 2 min"),
    Goal(60, "< 1 min"),
    "absolute",
    " s",
)
CACHE = Row(
    "REPLAY",
    "bytes per second into carbon-cache, no bound / bare socket loop",
    Goal(0.8, at_least=True),
    Goal(0.95, at_least=True),
    "a loop that sends the same lines",
)
LAG = Row(
    "REPLAY",
    "P10 during the replay: event-loop lag p99 / idle loop p99",
    Goal(5.0),
    Goal(3.0),
    "the same probe in a loop of its own",
)
BURST = Row(
    "REPLAY",
    "P25 during the replay: longest burst per tick",
    Goal(2, "≤ 2 ms"),
    Goal(0.5, "≤ 0.5 ms"),
    "absolute",
    " ms",
)
ROWS = (RELAY, CACHE, LAG, BURST)
NO_BOUND_BYTES_PER_S = 1024 * 1024 * 1024
SEND_BUFFER_BYTES = 1024 * 1024
PIECE_BYTES = 64 * 1024
CAUGHT_UP_LAG_S = 10.0
DEADLINE_S = 180.0
LOOK_S = 0.1
WATCHED_S = 18
"""At the default bound the hour takes longer than this and the settling together."""
UNREAD_BYTES = PIECE_BYTES
ASKED_FOR = "memory_bytes"
SPARE_S = 300
"""Between the making of the oldest line and the question."""
ESTABLISHED = "01"


def measure(setting: Setting) -> list[Result]:
    try:
        with Sandbox() as sandbox:
            return [_relay(setting, sandbox), _cache(setting, sandbox), _lag(setting), _burst(setting)]
    except DeployError as error:
        raise NotMeasurable(str(error)) from error


def _relay(setting: Setting, sandbox: Sandbox) -> Result:
    relay = CarbonCRelay(sandbox)
    start_and_wait(relay)
    backlog = Backlog("replayed")
    with _daemon_with(setting, backlog, DaemonShape(setting.tree.node, 1.0, carbon_port=relay.port)) as (daemon, size):
        lines, size_bytes = size
        took_s = _until_caught_up(daemon)
    arrived = _settled_count(relay, f".nodes.{backlog.node}.".encode())
    relay.stop()
    note = f"{arrived} of {lines} lines, {size_bytes / 1e6:.0f} MB, in its file; {size_bytes / 1e6 / took_s:.1f} MB/s"
    return RELAY.measured(took_s, note) if arrived >= lines else RELAY.no_figure(f"lines are missing: {note}")


def _cache(setting: Setting, sandbox: Sandbox) -> Result:
    seconds = setting.choose(HOUR_S, HOUR_S // 2)

    def ours() -> float:
        with _fresh_carbon(sandbox) as carbon:
            shape = DaemonShape(
                setting.tree.node, 1.0, carbon_port=carbon.port, replay_bytes_per_s=NO_BOUND_BYTES_PER_S
            )
            with _daemon_with(setting, Backlog("ours", seconds), shape) as (daemon, _):
                # It began before it said that it is ready.
                left_bytes = _carbon(daemon)["backlog_bytes"] + _unread_bytes(carbon.port)
                speed = left_bytes / (_until_caught_up(daemon) + _until_read(carbon.port))
            _check_arrived(carbon, "ours", seconds)
            return speed

    def bare() -> float:
        with _fresh_carbon(sandbox) as carbon:
            speed = _bare_loop(carbon.port, Backlog("bare", seconds))
            _check_arrived(carbon, "bare", seconds)
            return speed

    pairs = interleave(ours, bare, setting.choose(5, 3))
    mine, theirs = statistics.median(pairs.ours) / 1e6, statistics.median(pairs.reference) / 1e6
    return CACHE.measured(pairs.ratio, f"{mine:.1f} MB/s against {theirs:.1f} MB/s, {seconds // 60} minutes' lines")


def _lag(setting: Setting) -> Result:
    seconds = setting.choose(10, 5)
    shape = DaemonShape(setting.tree.node, 1.0)

    def ours() -> float:
        daemon = setting.daemon(shape)
        Backlog("replayed").fill(daemon.spool)
        return p99_us(seconds, str(daemon.config_path))

    pairs = interleave(ours, lambda: p99_us(seconds), setting.choose(3, 1))
    mine, idle = statistics.median(pairs.ours) / 1e3, statistics.median(pairs.reference) / 1e3
    return LAG.measured(pairs.ratio, f"{mine:.2f} ms against {idle:.2f} ms")


def _burst(setting: Setting) -> Result:
    with _daemon_with(setting, Backlog("replayed"), DaemonShape(setting.tree.node)) as (daemon, _):
        time.sleep(SETTLED_AFTER_S)
        watched = watch_process(daemon.pid, WATCHED_S)
        left = _carbon(daemon)["backlog_lines"]
    longest = watched.longest_per_tick_us()
    if not longest or not left:
        raise NotMeasurable("the replay was over before the look was")
    share = watched.cpu_us / watched.seconds / 1e6
    note = f"median of {len(longest)} ticks, worst {max(longest) / 1e3:.2f} ms; {share:.1%} of a core"
    return BURST.measured(statistics.median(longest) / 1e3, note)


@contextmanager
def _daemon_with(
    setting: Setting, backlog: Backlog, shape: DaemonShape
) -> Iterator[tuple[NodeDaemon, tuple[int, int]]]:
    """A running daemon that finds the backlog in its spool; and its lines and bytes."""
    daemon = setting.daemon(shape)
    size = backlog.fill(daemon.spool)
    with daemon:
        yield daemon, size


@contextmanager
def _fresh_carbon(sandbox: Sandbox) -> Iterator[Carbon]:
    """What an earlier run left in its memory would be written during the next."""
    carbon = Carbon(sandbox, fast_interval_s=1, slow_interval_s=5)
    carbon.start()
    try:
        yield carbon
    finally:
        carbon.stop()


def _until_caught_up(daemon: NodeDaemon) -> float:
    """Seconds from now until only what is new waits for carbon."""
    began_s = time.monotonic()
    while (_carbon(daemon)["lag_s"] or 0.0) > CAUGHT_UP_LAG_S:
        if time.monotonic() - began_s > DEADLINE_S:
            raise NotMeasurable(f"not caught up after {DEADLINE_S:.0f} s: {_carbon(daemon)}")
        time.sleep(LOOK_S)
    return time.monotonic() - began_s


def _carbon(daemon: NodeDaemon) -> dict[str, float]:
    return next(sink for sink in daemon.status()["sinks"] if sink["name"] == "carbon")


def _settled_count(relay: CarbonCRelay, wanted: bytes) -> int:
    """How many lines of a name are in the relay's file, once it grows no more."""
    before = -1
    while (size_bytes := relay.output.stat().st_size) != before:
        before = size_bytes
        time.sleep(1.0)
    with relay.output.open("rb") as file:
        return sum(wanted in line for line in file)


def _bare_loop(port: int, backlog: Backlog) -> float:
    """Bytes per second until the peer has read the last."""
    payload = b"".join(payload for payload, _ in backlog.batches())
    pieces = [payload[begin : begin + PIECE_BYTES] for begin in range(0, len(payload), PIECE_BYTES)]
    with socket.create_connection(("127.0.0.1", port)) as carbon:
        carbon.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        began_s = time.monotonic()
        for piece in pieces:
            carbon.sendall(piece)
        sent_s = time.monotonic() - began_s
        return len(payload) / (sent_s + _until_read(port))


def _check_arrived(carbon: Carbon, node: str, seconds: int) -> None:
    """A metric of every slot, one point for each second of the backlog: carbon must have them all.

    It answers for a series once it has made its file, which it does when nothing else is to be done.
    """
    deadline_s = time.monotonic() + DEADLINE_S
    while (points := _points(carbon, node, seconds)) < seconds * SLOTS:
        if time.monotonic() > deadline_s:
            raise NotMeasurable(f"of {seconds * SLOTS} points of {node} carbon-cache has {points}")
        time.sleep(1.0)


def _points(carbon: Carbon, node: str, seconds: int) -> int:
    now_s = int(time.time())
    found = carbon.render(f"slurm.bench.nodes.{node}.slots.*.{ASKED_FOR}", now_s - seconds - SPARE_S, now_s)
    return sum(value is not None for series in found for value, _ in series["datapoints"])


def _until_read(port: int) -> float:
    """Seconds from now until what lies in the kernel's buffers on its way to a port is no more than what is new."""
    began_s = time.monotonic()
    while _unread_bytes(port) > UNREAD_BYTES and time.monotonic() - began_s < DEADLINE_S:
        time.sleep(0.01)
    return time.monotonic() - began_s


def _unread_bytes(port: int) -> int:
    """Of all connections of the port: sent and not acknowledged, received and not read (proc(5), /proc/net/tcp)."""
    hexadecimal, waiting = f":{port:04X}", 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        if state == ESTABLISHED and (local.endswith(hexadecimal) or remote.endswith(hexadecimal)):
            waiting += sum(int(size, 16) for size in queues.split(":"))
    return waiting
