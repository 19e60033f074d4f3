"""What a daemon leaves to the next one of the same boot: the sightings that were running, the summaries it owed.

Owns the form of that file; pure. With it a restarted daemon goes on with the same sighting (its key, slot, start)
instead of finding a new one, an Epilog that came in between ends the right one, and the totals of a job that ended
unwatched are those of its last sample, reported as incomplete; a job whose end was reported has its summary, although
the hook's file that said so has gone. Without it (first start, damaged, another boot) jobs are found from the cgroup
tree. Kept by `node.sighting_file`; made and taken by `roster`.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from slurmlens.clock import Moment
from slurmlens.errors import DecodeError, UnsupportedVersion
from slurmlens.events import Figure, FigureSource, JobIdentity, JobSummary, StepTotals, Totals, Witness

VERSION = 1


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One open sighting. `start_id` is the Prolog's event id, whose file may be read again; `gone`: since when it has
    no cgroup, None where the daemon that wrote this still saw one, or never did (`had_cgroup`)."""

    job: JobIdentity
    first_seen: Moment
    start: Moment
    start_witness: Witness
    start_id: str | None
    slot: int | None
    had_cgroup: bool
    gone: Moment | None = None
    unseen_ns: int
    totals: Totals | None
    reported_steps: tuple[StepTotals, ...] = ()
    asked_interval_s: float | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """One sighting whose end was reported and whose summary is not safe yet: what to send, never with its profile.

    A profile is 100 KB, and its news went out while the job ran. `start_id` and `end_id` are its hooks' event ids,
    whose files may be read again; `has_cgroup`: it was still there.
    """

    first_seen: Moment
    start_id: str | None
    end_id: str | None
    has_cgroup: bool
    summary: JobSummary


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, as of `saved`. A release that knew no `ended` passes over it."""

    version: int = VERSION
    boot_id: str
    saved: Moment
    sightings: tuple[Remembered, ...]
    ended: tuple[Ended, ...] = ()


_NEVER_EXACT = (FigureSource.PROCESSES, FigureSource.NODE)


def encode(memory: Memory) -> bytes:
    """The content of the file."""
    return msgspec.json.encode(memory) + b"\n"


@functools.cache
def _decoder() -> msgspec.json.Decoder[Memory]:
    """Made when it is needed, once in a daemon's life at most: that is 90 annotations to be compiled (ADR 19)."""
    return msgspec.json.Decoder(Memory)


def decode(data: bytes) -> Memory:
    """Raises DecodeError for what no daemon wrote, UnsupportedVersion for what another release did."""
    try:
        memory = _decoder().decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"no memory of a daemon: {error}"[:300]) from error
    if memory.version != VERSION:
        raise UnsupportedVersion(f"memory of version {memory.version}, this release reads {VERSION}")
    return memory


def as_of_last_sample(totals: Totals) -> Totals:
    """The same figures where nobody saw the end: what came after is missing in each of them."""
    changes: dict[str, Any] = {
        name: _incomplete(figure)
        for name in totals.__struct_fields__
        if isinstance(figure := getattr(totals, name), Figure)
    }
    changes["oom_kills"] = totals.oom_kills or None
    return msgspec.structs.replace(totals, steps=steps_of_earlier(totals), **changes)


def steps_of_earlier(totals: Totals) -> tuple[StepTotals, ...]:
    """The steps as an earlier daemon left them: what had ended stays what it was, what ran then was not seen to its
    end. An OOM kill that was not seen is none only of a step that had ended."""
    return tuple(step if _had_ended(step) else _step_in_part(step) for step in totals.steps)


def _had_ended(step: StepTotals) -> bool:
    """A step that runs has its newest sample, which is all there is so far; after its end it never has that word."""
    return step.cpu_s is not None and (step.cpu_s.source is not FigureSource.LAST_SAMPLE or not step.cpu_s.complete)


def _step_in_part(step: StepTotals) -> StepTotals:
    return msgspec.structs.replace(
        step,
        cpu_s=None if step.cpu_s is None else _incomplete(step.cpu_s),
        memory_peak_bytes=None if step.memory_peak_bytes is None else _incomplete(step.memory_peak_bytes),
        oom_kills=step.oom_kills or None,
    )


def _incomplete(figure: Figure) -> Figure:
    """Where it was taken from (processes, the node) stays; that it was exact does not."""
    source = figure.source if figure.source in _NEVER_EXACT else FigureSource.LAST_SAMPLE
    return msgspec.structs.replace(figure, source=source, complete=False)
