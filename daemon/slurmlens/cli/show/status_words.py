"""The same words for the same things, whichever daemon's status is shown: receivers, spool, stages, ages.

Pure. Used by `node_status` and `relay_status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from slurmlens.config.shared import MIB
from slurmlens.delivery.status import ConsulStatus, SinkStatus, SpoolStatus

LONG_LAG_S = 60.0
FULL_SHARE = 0.9


def delivery_troubles(
    sinks: Iterable[SinkStatus], stages: Mapping[str, str], spool: SpoolStatus | None, consul: ConsulStatus | None
) -> Iterator[str]:
    """What an operator should look at wherever lines are kept and delivered."""
    for sink in sinks:
        yield from _sink_troubles(sink)
    yield from _stage_troubles(stages)
    if spool is not None:
        yield from _spool_troubles(spool)
    if consul is not None:
        yield from _consul_troubles(consul)


def _sink_troubles(sink: SinkStatus) -> Iterator[str]:
    """What an operator should look at about one receiver."""
    if sink.failures_in_a_row:
        yield f"{sink.name} takes nothing: {sink.last_error}"
    elif sink.lag_s is not None and sink.lag_s > LONG_LAG_S:
        yield f"{sink.name} lags {age(sink.lag_s)} behind"


def _stage_troubles(stages: Mapping[str, str]) -> Iterator[str]:
    """Stages that failed."""
    for name, text in stages.items():
        if text.startswith("failed"):
            yield f"stage {name} {text}"


def _spool_troubles(spool: SpoolStatus) -> Iterator[str]:
    """What an operator should look at about the spool."""
    if spool.mode == "failing":
        yield f"the spool at {spool.path} fails ({spool.failure}): what waits is in memory, hook events in the dropbox"
    elif spool.mode == "memory":
        yield f"the spool at {spool.path} is no local disk: what waits is in memory alone"
    if spool.size_bytes > FULL_SHARE * spool.max_bytes:
        yield f"the spool is nearly full ({spool.size_bytes} of {spool.max_bytes} bytes): the oldest metrics go first"


def _consul_troubles(consul: ConsulStatus) -> Iterator[str]:
    """What an operator should look at about Consul."""
    if consul.last_error is not None:
        yield f"Consul: {consul.last_error}"
    yield from (f"Consul's KV: {refused}" for refused in consul.refused)


def sink_line(sink: SinkStatus) -> str:
    """One receiver in a line."""
    waiting = f"{sink.backlog_lines} lines wait" + (f", the oldest for {age(sink.lag_s)}" if sink.lag_s else "")
    delivered = "never" if sink.delivered_ago_s is None else f"{age(sink.delivered_ago_s)} ago"
    return f"  {sink.name:<8} {waiting}; last delivery {delivered}"


def spool_line(spool: SpoolStatus) -> str:
    """The spool in a line."""
    held = f"{spool.size_bytes / MIB:.1f} of {spool.max_bytes / MIB:.0f} MiB"
    dropped = ", ".join(f"{one.lines} of {one.stream} ({one.reason})" for one in spool.dropped)
    return f"  spool    {spool.mode}, {held} held" + (f"; lines dropped so far: {dropped}" if dropped else "")


def consul_lines(consul: ConsulStatus) -> list[str]:
    """What was registered with Consul and what it says, a line each."""
    heard = "nothing heard yet" if consul.heard_ago_s is None else f"last heard {age(consul.heard_ago_s)} ago"
    service = f"registered as {consul.health}" if consul.registered else "not registered"
    lines = ["", f"  Consul at {consul.url}: {service}; {heard}"]
    for found in consul.found:
        remark = "" if found.is_fresh else " (not Consul's word of now)"
        lines.append(f"    {found.sink} is at {', '.join(map(plain, found.addresses))}{remark}")
    return lines + [f"    {plain(key)} = {plain(text)}" for key, text in consul.settings.items()]


def age(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def plain(text: str) -> str:
    """A receiver's words must not steer the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def trouble_lines(troubles: Sequence[str]) -> str:
    """What needs a look, a line each; empty where nothing does. A receiver's words are among it."""
    return "".join(f"  ! {plain(trouble)}\n" for trouble in troubles)
