"""The status of hub and cluster as text for a terminal: the oddities first, then what is well."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.views.status.view import StatusView, Weight
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import clip, pad, visible, wrap

MOST_NODES = 20
_TONES = {Weight.LOST: "bad", Weight.LOOK: "warn", Weight.NOTE: "idle"}
_WORDS = {Weight.LOST: "lost", Weight.LOOK: "look", Weight.NOTE: "note"}


def render_status(view: StatusView, sheet: Sheet) -> str:
    """The report, ending in a newline."""
    lines = [f"slurmlens-hub {view.version}  {visible(view.cluster)}", *_wrapped(view.sentence, "  ", sheet), ""]
    lines += _oddities(view, sheet)
    lines += _parts(view, sheet)
    lines += _nodes(view, sheet)
    return "\n".join(lines).rstrip("\n") + "\n"


def _oddities(view: StatusView, sheet: Sheet) -> Iterator[str]:
    for oddity in view.oddities:
        since = (
            ""
            if oddity.since_ns is None
            else f" (since {fmt.moment(oddity.since_ns, sheet.zone, near_ns=view.made_ns)})"
        )
        text = list(wrap(oddity.what + since, sheet.columns - 8))
        word = sheet.ink.paint(pad(_WORDS[oddity.weight], 6), _TONES[oddity.weight])
        yield f"  {word}{text[0]}"
        yield from (f"        {line}" for line in text[1:])
        yield from _wrapped(oddity.advice, "        ", sheet)
    if view.oddities:
        yield ""


def _parts(view: StatusView, sheet: Sheet) -> Iterator[str]:
    release = f"Slurm {view.scheduler.release}" if view.scheduler.release else "scheduler"
    last_ns = view.scheduler.last_queue_ns
    answered = "has not answered yet" if last_ns is None else f"answered {_ago(last_ns, view.made_ns)}"
    yield f"  {release} {answered}; {fmt.count(view.watchers, 'live page')}"
    failed = [name for name, words in view.stages.items() if words != "running"]
    yield f"  {fmt.count(len(view.stages) - len(failed), 'part')} of the hub at work"
    for line in view.workers:
        kafka = "" if line.kafka is None else f"; {line.kafka}"
        this = " (this one)" if line.is_this else ""
        yield f"  hub {visible(line.worker)}{this} {line.says}, {fmt.count(line.watchers, 'live page')}{kafka}"
    if view.kafka is not None and not view.workers:
        yield f"  {view.kafka}"
    if view.logs is not None:
        yield from _wrapped(f"log lines in {visible(view.logs.sentence)}", "  ", sheet)
    if view.graph is not None:
        since_ns = view.graph.up_to_date_ns
        brought = "not written yet" if since_ns is None else f"up to date {_ago(since_ns, view.made_ns)}"
        yield f"  graph at {visible(view.graph.url)}: {brought}, {fmt.count(view.graph.waiting, 'change')} wait"
    for aged in view.retention:
        went = (
            f"{aged.removed} gone by age, last {_ago(aged.last_ns, view.made_ns)}" if aged.last_ns else "none gone yet"
        )
        yield f"  {visible(aged.kind)} are kept for {fmt.duration(aged.kept_s)}; {went}"
    yield ""


def _nodes(view: StatusView, sheet: Sheet) -> Iterator[str]:
    if not view.nodes:
        return
    yield f"  {pad('node', 20)} {pad('heard', 12)} {pad('jobs', 6)} {pad('version', 12)} note"
    for line in view.nodes[:MOST_NODES]:
        notes = ["silent"] * line.is_silent + [f"{line.dropped} lines dropped"] * bool(line.dropped)
        heard = _ago(line.last_heard_ns, view.made_ns)
        row = f"  {pad(clip(visible(line.node), 20), 20)} {pad(heard, 12)} {pad(str(line.running), 6)}"
        yield f"{row} {pad(clip(visible(line.version), 12), 12)} {', '.join(notes)}".rstrip()
    if view.node_count > MOST_NODES:
        yield f"  … and {view.node_count - MOST_NODES} more"


def _ago(time_ns: int, now_ns: int) -> str:
    return f"{fmt.duration(max(0.0, (now_ns - time_ns) / NS_PER_S))} ago"


def _wrapped(text: str, indent: str, sheet: Sheet) -> Iterator[str]:
    return (indent + line for line in wrap(text, sheet.columns - len(indent)))
