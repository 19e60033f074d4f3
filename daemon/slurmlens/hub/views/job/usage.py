"""How much a run used of what it was given, per node and in all.

Pure. Fed with `NodeFacts` (totals of the summary, or the profile so far while it runs) and what was given
(`RunExtent`); makes the `Amount`s of a `JobView`. What nobody measured stays None with a note that says so. A sum
over nodes of which some reported nothing is measured against the nodes that did, and says which are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from slurmlens.events import Figure, FigureSource, Totals
from slurmlens.hub.history.facts import NodeFacts
from slurmlens.hub.views.job.profile_bins import average, highest, integral
from slurmlens.hub.views.job.view import Amount, InputOutput, NodeView, Pressure
from slurmlens.slurm import hostlist

SO_FAR = "so far"
PROFILE = "profile"
SEEN_PART = "seen_part"
_NO_IO = (
    "not measured: no block I/O counters for this job (cgroup v1, or v2 with io off below Slurm's scope; "
    "slurmlens-controllers.service switches it on)"
)
_NO_PRESSURE = "not measured: this kernel has no pressure counters (PSI)"
_MOST_NAMED = 3
_SAID_BESIDE_IO = (PROFILE, SEEN_PART, FigureSource.PROCESSES.value)

_SOURCE_WORDS: dict[str, str] = {
    FigureSource.TASK_EXIT.value: "read at the exit of each task",
    FigureSource.PARENT_REST.value: "completed from the parent's counter",
    FigureSource.PARENT_REST_SPLIT.value: "completed from the parent's counter, split between jobs that ended together",
    FigureSource.LAST_SAMPLE.value: "up to the last sample",
    FigureSource.PROCESSES.value: "from processes",
    FigureSource.NODE.value: "of the whole node",
    PROFILE: SO_FAR,
    SEEN_PART: "at least this much: the rest went unseen",
}
# From exact to guessed: a sum is worth what its worst part is.
_WORTH = tuple(_SOURCE_WORDS)


def source_words(source: str | None) -> str | None:
    """Where a figure comes from, in words."""
    return None if source is None else _SOURCE_WORDS.get(source, source)


def ratio(used: float | None, asked: float | None) -> float | None:
    """A share; unavailable where either is unknown or nothing was asked for."""
    return None if used is None or not asked else used / asked


def against(used: float | None, asked: float | None) -> Amount:
    """What was used against what was given or asked for, where nothing more is to be said of it."""
    return Amount(used=used, asked=asked, ratio=ratio(used, asked))


def node_cpu(node: NodeFacts, given_s: float | None) -> Amount:
    """Core-seconds used against those that the node gave."""
    if node.totals and node.totals.cpu_s:
        return _amount(node.totals.cpu_s, given_s)
    used = integral(node.profile, "cpu_cores")
    return _so_far(node, used, given_s) or Amount(asked=given_s, note=why_unmeasured(node))


def node_memory(node: NodeFacts, given_bytes: float | None) -> Amount:
    """Peak against the cgroup's own limit, else against what the scheduler gave."""
    limit = node.totals.memory_limit_bytes if node.totals else None
    asked = float(limit) if limit else given_bytes
    if node.totals and node.totals.memory_peak_bytes:
        return _amount(node.totals.memory_peak_bytes, asked)
    peak = highest(node.profile, "memory_bytes")
    return _so_far(node, peak, asked) or Amount(asked=asked, note=why_unmeasured(node))


def node_io(node: NodeFacts) -> InputOutput:
    """Bytes read and written, by whoever counted them."""
    totals = node.totals
    if totals and (totals.io_read_bytes or totals.io_written_bytes):
        return _counted_io(totals)
    of_cgroup = PROFILE if node.end_ns is None else SEEN_PART
    for prefix, source in (("", of_cgroup), ("process_", FigureSource.PROCESSES.value)):
        read = integral(node.profile, f"{prefix}io_read_bytes_per_second")
        written = integral(node.profile, f"{prefix}io_written_bytes_per_second")
        if read is not None or written is not None:
            return InputOutput(
                read_bytes=read, written_bytes=written, source=source, complete=False, note=source_words(source)
            )
    return InputOutput(note=_NO_IO if node.samples or node.profile else why_unmeasured(node))


def node_pressure(node: NodeFacts, ran_s: float | None) -> Pressure:
    """Shares of the run, of the job itself where its cgroup has them, else of the node and labelled so."""
    totals = node.totals
    if totals and ran_s:
        figures = (totals.pressure_cpu_some_s, totals.pressure_memory_some_s, totals.pressure_io_some_s)
        if any(figures):
            shares = [figure.value / ran_s if figure else None for figure in figures]
            of_node = any(figure.source is FigureSource.NODE for figure in figures if figure)
            return _pressure(shares, "node" if of_node else "job")
    for prefix, scope in (("", "job"), ("node_", "node")):
        shares = [average(node.profile, f"{prefix}pressure_{what}_some_ratio") for what in ("cpu", "memory", "io")]
        if any(share is not None for share in shares):
            return _pressure(shares, scope)
    return Pressure(note=_NO_PRESSURE if node.samples or node.profile else why_unmeasured(node))


def why_unmeasured(node: NodeFacts) -> str:
    """Why a node has no figures: an empty place says why."""
    if node.sightings == 0:
        return f"not measured: no daemon on {node.node} reported this job"
    if node.totals is None:
        return f"not yet known: {node.node} has not sent its summary"
    return "not measured: the job's cgroup was never read" if not node.totals.samples else "not measured"


def job_cpu(nodes: Sequence[NodeView], given_s: float | None) -> Amount:
    """Core-seconds of all nodes that reported some, against what these nodes gave; `given_s` is what all gave."""
    told = [node for node in nodes if node.cpu.used is not None]
    asked = given_s
    if len(told) != len(nodes) or given_s is None:
        parts = [node.cpu.asked for node in told]
        asked = sum(part for part in parts if part is not None) if parts and None not in parts else None
    return _over_nodes([(node.name, node.cpu) for node in nodes], asked, sum)


def job_memory(nodes: Sequence[NodeView]) -> tuple[Amount, str | None]:
    """The node that came closest to its limit (or used most, where no limit is known), and its name."""
    told = [node for node in nodes if node.memory.used is not None]
    if not told:
        asked = max((node.memory.asked for node in nodes if node.memory.asked), default=None)
        return _over_nodes([(node.name, node.memory) for node in nodes], asked, max), None
    worst = max(told, key=lambda node: (node.memory.ratio or 0.0, node.memory.used or 0.0))
    whole = _over_nodes([(node.name, node.memory) for node in nodes], worst.memory.asked, lambda _: worst.memory.used)
    return whole, worst.name


def job_io(nodes: Sequence[NodeView]) -> InputOutput:
    """Bytes of all nodes that reported some."""
    told = [node.io for node in nodes if node.io.source is not None]
    if not told:
        return InputOutput(note=_shared_note([node.io.note for node in nodes]))
    source = _worst(part.source for part in told)
    missing = _missing([node.name for node in nodes if node.io.source is None])
    return InputOutput(
        read_bytes=_sum(part.read_bytes for part in told),
        written_bytes=_sum(part.written_bytes for part in told),
        source=source,
        complete=not missing and all(part.complete for part in told),
        note=_joined(source_words(source) if source in _SAID_BESIDE_IO else None, missing),
    )


def job_pressure(nodes: Sequence[NodeView]) -> Pressure:
    """The worst node's: saturation anywhere holds a parallel job up."""
    told = [node.pressure for node in nodes if node.pressure.scope]
    if not told:
        return Pressure(note=_shared_note([node.pressure.note for node in nodes]))
    return _pressure(
        [
            _max(part.cpu_ratio for part in told),
            _max(part.memory_ratio for part in told),
            _max(part.io_ratio for part in told),
        ],
        "node" if any(part.scope == "node" for part in told) else "job",
    )


def _amount(figure: Figure, asked: float | None) -> Amount:
    return Amount(
        used=figure.value,
        asked=asked,
        ratio=ratio(figure.value, asked),
        source=figure.source.value,
        complete=figure.complete,
        note=None if figure.complete else source_words(figure.source.value),
    )


def _so_far(node: NodeFacts, used: float | None, asked: float | None) -> Amount | None:
    """From the profile alone: more is to come while the job runs there, nothing once it ended without a summary."""
    if used is None:
        return None
    source = PROFILE if node.end_ns is None else SEEN_PART
    note = source_words(source)
    return Amount(used=used, asked=asked, ratio=ratio(used, asked), source=source, complete=False, note=note)


def _counted_io(totals: Totals) -> InputOutput:
    figures = [figure for figure in (totals.io_read_bytes, totals.io_written_bytes) if figure]
    source = _worst(figure.source.value for figure in figures)
    return InputOutput(
        read_bytes=totals.io_read_bytes.value if totals.io_read_bytes else None,
        written_bytes=totals.io_written_bytes.value if totals.io_written_bytes else None,
        source=source,
        complete=all(figure.complete for figure in figures),
        note=source_words(source) if source == FigureSource.PROCESSES.value else None,
    )


def _pressure(shares: Sequence[float | None], scope: str) -> Pressure:
    return Pressure(
        cpu_ratio=shares[0],
        memory_ratio=shares[1],
        io_ratio=shares[2],
        scope=scope,
        note="of the whole node, not of the job alone" if scope == "node" else None,
    )


def _over_nodes(
    parts: Sequence[tuple[str, Amount]], asked: float | None, merge: Callable[[list[float]], float | None]
) -> Amount:
    told = [part for _, part in parts if part.used is not None]
    if not told:
        return Amount(asked=asked, note=_shared_note([part.note for _, part in parts]))
    used = merge([part.used for part in told if part.used is not None])
    missing = _missing([name for name, part in parts if part.used is None])
    source = _worst(part.source for part in told)
    complete = not missing and all(part.complete for part in told)
    return Amount(
        used=used,
        asked=asked,
        ratio=ratio(used, asked),
        source=source,
        complete=complete,
        note=_joined(None if all(part.complete for part in told) else source_words(source), missing),
    )


def _missing(names: Sequence[str]) -> str | None:
    if not names:
        return None
    named = hostlist.fold_or_list(names) if len(names) <= _MOST_NAMED else f"{len(names)} nodes"
    return f"without {named}, not measured there"


def _shared_note(notes: Sequence[str | None]) -> str | None:
    """Why nothing is known of any node: the one reason they share, else that there are several."""
    distinct = {note for note in notes if note}
    if len(distinct) > 1:
        return "not measured on any node, for different reasons"
    return distinct.pop() if distinct else None


def _joined(*texts: str | None) -> str | None:
    return "; ".join(text for text in texts if text) or None


def _worst(sources: Iterable[str | None]) -> str | None:
    return max((source for source in sources if source), key=_WORTH.index, default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _max(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
