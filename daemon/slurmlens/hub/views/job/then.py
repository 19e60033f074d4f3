"""What the cluster was around a run when it began, in words: pure. Part of the job's view, made by `build`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from slurmlens.hub.inventory.questions.memberships import Membership
from slurmlens.hub.views.job.view import ThenLine
from slurmlens.hub.views.natural_order import natural
from slurmlens.shown.text import visible
from slurmlens.slurm.hostlist import fold_or_list


def build_then(found: Iterable[Membership]) -> tuple[ThenLine, ...]:
    """A line a membership: what it was then, and what of it has changed."""
    return tuple(_lines(found))


def _lines(found: Iterable[Membership]) -> Iterator[ThenLine]:
    for one in found:
        name = visible(one.entity.name)
        label = {"node": f"partition {name} had", "group": f"{name} was a member of", "switch": "its nodes were below"}
        yield ThenLine(
            label=label[one.kind],
            kind=one.kind,
            text=_text(one.kind, one.then),
            changed=_changed(one),
        )


def _text(kind: str, names: Sequence[str]) -> str:
    ordered = sorted(names, key=natural)
    return visible(fold_or_list(ordered) if kind == "node" else ", ".join(ordered))


def _changed(one: Membership) -> str | None:
    parts = [f"{_text(one.kind, one.left)} left since"] if one.left else []
    parts += [f"{_text(one.kind, one.came)} came since"] if one.came else []
    return ", ".join(parts) or None
