"""Finds in the status document what is worth a look: pure.

Owns the rules of what is odd; adding one is adding a function to `RULES`. A rule yields oddities with what to do about
them. Invariant: nothing is called lost that was not, and a silent node is no loss. Fed with the document by the page
and by the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.logs.store import StoreHealth
from slurmlens.hub.views.status.view import (
    KafkaShareDocument,
    LogsKept,
    NodeDocument,
    NodeLine,
    Oddity,
    StatusDocument,
    StatusView,
    Weight,
    WorkerDocument,
    WorkerLine,
)
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

MOST_NODES_SHOWN = 200
MOST_NAMED = 6
SILENT_BEATS = 3
SILENT_AT_LEAST_S = 120.0
SKEW_WORTH_A_LOOK_S = 2.0
BEHIND_WORTH_A_LOOK_S = 86_400.0
HOLD_WORTH_A_LOOK_MS = 50.0
QUEUE_SILENT_S = 120.0
CONTESTED_S = 600.0
WORKER_SILENT_S = 10.0

_REFUSAL_ADVICE = {
    "cluster": "Some node calls its cluster by another name: make `cluster` the same in node.toml and hub.toml.",
    "token": "A node shows a token that is not in the hub's token file.",
    "token_node": "A node shows another node's token.",
    "origin": "A node's credential came from an address that the scheduler does not give for it (NodeAddr).",
    "unknown_node": "Somebody speaks as a node that the scheduler does not know.",
    "replayed": "A credential came twice: somebody repeats requests, or a proxy does.",
    "relay": "A relay is not listed in [auth] relays of hub.toml.",
}


_LINES_WAIT = "Lines wait at their senders and are sent again; none is lost as long as these have room."
_UNREADABLE = 'profiles_unreadable_total{reason="'
_NOT_LASTING = {
    "volatile": "the history is gone with the next reboot",
    "network": "SQLite's locks and logs do not hold there, so the history may be damaged",
}
_MOVE_IT = "Stop the hub, move the file to a local disk, and name it in [database] url of hub.toml; or use PostgreSQL."


def build_status_view(document: StatusDocument) -> StatusView:
    """What page and terminal show."""
    oddities = [oddity for rule in RULES for oddity in rule(document)]
    oddities.sort(key=lambda oddity: list(Weight).index(oddity.weight))
    lines = [_node_line(node, document.now_ns) for node in document.nodes]
    lines.sort(key=lambda line: (not line.is_odd, line.node))
    return StatusView(
        cluster=document.cluster,
        version=document.version,
        made_ns=document.now_ns,
        sentence=_sentence(oddities, document, sum(line.is_silent for line in lines)),
        oddities=tuple(oddities),
        scheduler=document.scheduler,
        stages={name: _stage_words(state.running, state.last_error) for name, state in document.stages.items()},
        loop=document.loop,
        watchers=document.watchers,
        held=sum(document.held.values()),
        retention=document.retention,
        workers=tuple(_worker_line(one, document) for one in document.workers),
        kafka=_kafka_words(document.kafka),
        logs=None if document.logs is None else _logs_kept(document.logs),
        graph=document.graph,
        nodes=tuple(lines[:MOST_NODES_SHOWN]),
        node_count=len(lines),
        silent_count=sum(line.is_silent for line in lines),
    )


def _sentence(oddities: list[Oddity], document: StatusDocument, silent: int) -> str:
    heard = f"{fmt.count(len(document.nodes) - silent, 'node')} of {len(document.nodes)} heard of"
    lost = sum(oddity.weight is Weight.LOST for oddity in oddities)
    look = sum(oddity.weight is Weight.LOOK for oddity in oddities)
    if not document.nodes:
        heard = "no node has been heard of yet"
        if not lost and not look:
            return f"{heard[0].upper()}{heard[1:]}."
    if lost:
        return f"Something was lost; {heard}."
    return (
        f"{fmt.count(look, 'thing needs a look', 'things need a look')}; {heard}." if look else f"All is well; {heard}."
    )


def _stage_words(is_running: bool, last_error: str | None) -> str:
    if is_running:
        return "running"
    return f"failed: {last_error}" if last_error else "ended"


def _node_line(node: NodeDocument, now_ns: int) -> NodeLine:
    dropped = sum(told.lines for told in node.dropped)
    is_silent = _is_silent(node, now_ns)
    is_skewed = node.skew_s is not None and abs(node.skew_s) >= SKEW_WORTH_A_LOOK_S
    return NodeLine(
        node=node.node,
        last_heard_ns=node.last_heard_ns,
        version=node.version or "",
        running=len(node.running),
        skew_s=node.skew_s,
        dropped=dropped,
        is_silent=is_silent,
        is_odd=is_silent or is_skewed or dropped > 0 or _is_contested(node, now_ns),
    )


def _worker_line(one: WorkerDocument, document: StatusDocument) -> WorkerLine:
    is_silent = one.silent_s > WORKER_SILENT_S
    leads = one.leads_s is not None and not is_silent
    if is_silent:
        says = f"not heard of for {fmt.duration(one.silent_s)}"
    else:
        says = f"leads for {fmt.duration(one.leads_s or 0.0)}" if leads else "works"
    return WorkerLine(
        worker=one.worker,
        says=says,
        leads=leads,
        is_this=one.worker == document.worker,
        is_silent=is_silent,
        silent_s=one.silent_s,
        version=one.told.version,
        watchers=one.told.watchers,
        kafka=_kafka_words(one.told.kafka),
    )


def _kafka_words(share: KafkaShareDocument | None) -> str | None:
    if share is None:
        return None
    waiting = fmt.count(sum(share.waiting.values()), "record")
    return f"{fmt.count(len(share.waiting), 'partition')} of {visible(share.topic)}, {waiting} behind"


def _workers(document: StatusDocument) -> Iterator[Oddity]:
    lines = [_worker_line(one, document) for one in document.workers]
    for line in lines:
        if line.is_silent:
            yield Oddity(
                weight=Weight.LOOK,
                what=f"the hub {visible(line.worker)} is not heard of for {fmt.duration(line.silent_s)}",
                advice="The others do its work. Is it up, and does it reach the database? One that was taken away for"
                " good is forgotten after a day.",
            )
    if lines and not any(line.leads for line in lines):
        yield Oddity(
            weight=Weight.LOOK,
            what="none of the hubs asks the scheduler now",
            advice="One takes that over within seconds; if none does, their logs say why (the part “workers”).",
        )


def _kafka(document: StatusDocument) -> Iterator[Oddity]:
    if document.kafka is not None and document.kafka.last_error:
        yield Oddity(
            weight=Weight.LOOK,
            what=f"{visible(document.kafka.topic)} is not read from Kafka now: {visible(document.kafka.last_error)}",
            advice="What is in the topic waits there. Are the brokers up, and is [kafka] of hub.toml right?",
        )


def _graph(document: StatusDocument) -> Iterator[Oddity]:
    if document.graph is not None and document.graph.last_error:
        yield Oddity(
            weight=Weight.LOOK,
            what=f"the graph is not kept up, {fmt.count(document.graph.waiting, 'change')} wait:"
            f" {visible(document.graph.last_error)}",
            advice="Nothing else waits for it. Is Neo4j up, and is [graph] of hub.toml right? It catches up by itself.",
            since_ns=document.graph.up_to_date_ns,
        )


def _is_silent(node: NodeDocument, now_ns: int) -> bool:
    patience_s = max(SILENT_AT_LEAST_S, SILENT_BEATS * (node.interval_s or 0.0))
    return now_ns - node.last_heard_ns > patience_s * NS_PER_S


def _is_contested(node: NodeDocument, now_ns: int) -> bool:
    return node.contested_ns is not None and now_ns - node.contested_ns <= CONTESTED_S * NS_PER_S


def _named(names: list[str]) -> str:
    shown = ", ".join(visible(name) for name in sorted(names)[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def _drops(document: StatusDocument) -> Iterator[Oddity]:
    losers = {node.node: sum(told.lines for told in node.dropped) for node in document.nodes}
    losers = {name: lines for name, lines in losers.items() if lines}
    if losers:
        yield Oddity(
            weight=Weight.LOST,
            what=f"{fmt.count(sum(losers.values()), 'line')} were given up by {_named(list(losers))}",
            advice="`slurmlens status` there says which stream, and why: a receiver was away for longer than the spool"
            " holds. Raise [spool] max_bytes, or mend the receiver.",
        )


def _sinks_away(document: StatusDocument) -> Iterator[Oddity]:
    for sink in document.sinks:
        if sink.failures_in_a_row:
            yield Oddity(
                weight=Weight.LOOK,
                what=f"{sink.name} does not take the hub's points, {fmt.count(sink.backlog_lines, 'line')} wait:"
                f" {visible(sink.last_error or 'it gives no reason')}",
                advice="Is it up, and is [series_2015] or [log_series] of hub.toml right? What waits is in memory, for"
                " 360 intervals.",
            )


def _lost_profiles(document: StatusDocument) -> Iterator[Oddity]:
    for name, count in sorted(document.counters.items()):
        if count and name.startswith(_UNREADABLE):
            lost, reason = fmt.count(int(count), "profile"), name.removeprefix(_UNREADABLE).removesuffix('"}')
            yield Oddity(
                weight=Weight.LOST,
                what=f"{lost} of jobs could not be read ({visible(reason)}) since the start",
                advice="Charts of these jobs have gaps, their totals do not. The hub's log (profiles_unreadable) names"
                " the nodes: is their release another than the hub's?",
            )


def _silent_nodes(document: StatusDocument) -> Iterator[Oddity]:
    silent = [node for node in document.nodes if _is_silent(node, document.now_ns)]
    if silent:
        yield Oddity(
            weight=Weight.LOOK,
            what=f"{fmt.count(len(silent), 'node')} silent: {_named([node.node for node in silent])}",
            advice="Is the machine up? `systemctl status slurmlens-node` there, and `slurmlens status`.",
            since_ns=min(node.last_heard_ns for node in silent),
        )


def _skews(document: StatusDocument) -> Iterator[Oddity]:
    skewed = {node.node: node.skew_s for node in document.nodes if abs(node.skew_s or 0.0) >= SKEW_WORTH_A_LOOK_S}
    if skewed:
        worst = max(skewed, key=lambda name: abs(skewed[name] or 0.0))
        seconds = skewed[worst] or 0.0
        yield Oddity(
            weight=Weight.LOOK,
            what=f"the clock of {visible(worst)} is {fmt.duration(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
            + (f", and {len(skewed) - 1} more are off" if len(skewed) > 1 else ""),
            advice="Times of its jobs are off by as much: chronyc tracking there.",
        )


def _database(document: StatusDocument) -> Iterator[Oddity]:
    database = document.database
    if database is None:
        return
    path = visible(database.path)
    if not database.is_there:
        yield Oddity(
            weight=Weight.LOST,
            what=f"{path} was removed or replaced while the hub had it open",
            advice="What comes now is not kept, and the hub is about to end: put the file back, or restore a backup.",
        )
    if database.begin == "missing":
        yield Oddity(
            weight=Weight.LOST,
            what=f"the history of before is gone: {path} was not there when this hub began, and the last one had it",
            advice="Stop the hub and put the file back, or restore a backup; what came since is in the new one alone.",
        )
    elif database.begin == "replaced":
        yield Oddity(
            weight=Weight.NOTE,
            what=f"{path} is not the file that the last hub had",
            advice="As it should be where a backup was restored or the file was copied.",
        )
    if words := _NOT_LASTING.get(database.durability):
        yield Oddity(weight=Weight.LOOK, what=f"{path} is on {visible(database.file_system)}: {words}", advice=_MOVE_IT)


def _contested(document: StatusDocument) -> Iterator[Oddity]:
    for node in document.nodes:
        if not _is_contested(node, document.now_ns):
            continue
        name = visible(node.node)
        yield Oddity(
            weight=Weight.LOOK,
            what=f"two daemons claim to be {name}: boots {visible(node.boot_id or '?')}"
            f" and {visible(node.other_boot_id or '?')}",
            advice=f"Figures of two machines are mixed under one name. `scontrol show node {name}` says which machine"
            " it is; stop slurmlens-node on the other, or set `node` in its node.toml.",
        )


def _scheduler(document: StatusDocument) -> Iterator[Oddity]:
    scheduler = document.scheduler
    since_ns = scheduler.last_queue_ns or scheduler.asked_since_ns
    if document.now_ns - since_ns > QUEUE_SILENT_S * NS_PER_S:
        yield Oddity(
            weight=Weight.LOOK,
            what="the scheduler does not answer"
            + (f": {visible(scheduler.last_error)}" if scheduler.last_error else ""),
            advice="Jobs are shown by what nodes report alone. `squeue --json` as the hub's user, on this host?",
            since_ns=since_ns,
        )


def _refusals(document: StatusDocument) -> Iterator[Oddity]:
    for reason, count in sorted(document.refused.items()):
        yield Oddity(
            weight=Weight.LOOK if reason in _REFUSAL_ADVICE else Weight.NOTE,
            what=f"{count} refused so far: {visible(reason)}",
            advice=_REFUSAL_ADVICE.get(reason, "The hub's log names who sent it, docs/specs/hub-api.md what it means."),
        )


def _stages(document: StatusDocument) -> Iterator[Oddity]:
    for name, state in document.stages.items():
        if not state.running and state.last_error:
            yield Oddity(
                weight=Weight.LOOK,
                what=f"the hub's part “{visible(name)}” failed: {visible(state.last_error)}",
                advice="It is tried again by itself; journalctl -u slurmlens-hub says more.",
            )


def _held(document: StatusDocument) -> Iterator[Oddity]:
    if total := sum(document.held.values()):
        yield Oddity(
            weight=Weight.NOTE,
            what=f"{fmt.count(total, 'sighting')} fit no run yet",
            advice="The scheduler has not reported their jobs: they are tried again with everything new.",
        )


def _retention(document: StatusDocument) -> Iterator[Oddity]:
    behind = [aged for aged in document.retention if aged.behind_s >= BEHIND_WORTH_A_LOOK_S]
    for aged in behind:
        yield Oddity(
            weight=Weight.LOOK,
            what=f"{visible(aged.kind)} are kept for {fmt.duration(aged.behind_s)} longer than they should be",
            advice="The database is too busy or too slow for its retention, or the ages were shortened a moment ago:"
            " then it catches up by itself.",
        )


def _logs_kept(health: StoreHealth) -> LogsKept:
    size_bytes = sum(day.size_bytes or 0 for day in health.days)
    counted = [day.lines for day in health.days if day.lines is not None]
    version = f" {health.version}" if health.version else ""
    days = fmt.count(len(health.days), "day") if health.is_written else fmt.count(len(health.days), "index", "indices")
    who = "" if health.is_written else ", written by somebody else"
    sentence = f"{health.kind}{version} at {health.place}{who}: {health.state}, {days}, {fmt.volume(size_bytes)}"
    return LogsKept(sentence=sentence, health=health, size_bytes=size_bytes, lines=sum(counted) if counted else None)


def _log_store(document: StatusDocument) -> Iterator[Oddity]:
    logs = document.logs
    if logs is None:
        return
    takes_none = logs.state == "away" or any(day.is_read_only for day in logs.days)
    if logs.problem is not None:
        yield Oddity(
            weight=Weight.LOOK,
            what=f"{visible(logs.kind)}, where log lines are kept, is {visible(logs.state)}: {visible(logs.problem)}",
            advice=_LINES_WAIT if takes_none else "Lines are taken meanwhile.",
        )
    rejected = {node.name: node.rejected for node in logs.nodes if node.rejected}
    if rejected:
        yield Oddity(
            weight=Weight.NOTE,
            what=f"{fmt.count(sum(rejected.values()), 'write')} rejected by {_named(list(rejected))} since its start",
            advice="The search server was full for a moment; what it rejected was sent again.",
        )


def _holds(document: StatusDocument) -> Iterator[Oddity]:
    if document.loop is not None and document.loop.longest_hold_ms >= HOLD_WORTH_A_LOOK_MS:
        yield Oddity(
            weight=Weight.NOTE,
            what=f"the hub's loop was held for {document.loop.longest_hold_ms:.0f} ms at once,"
            f" {fmt.count(document.loop.held, 'time')} for {HOLD_WORTH_A_LOOK_MS:.0f} ms or longer",
            advice="Whoever asked meanwhile waited as long.",
            since_ns=document.loop.longest_hold_ns,
        )


RULES: tuple[Callable[[StatusDocument], Iterator[Oddity]], ...] = (
    _database,
    _drops,
    _lost_profiles,
    _contested,
    _scheduler,
    _workers,
    _kafka,
    _graph,
    _silent_nodes,
    _stages,
    _sinks_away,
    _skews,
    _refusals,
    _held,
    _retention,
    _log_store,
    _holds,
)
