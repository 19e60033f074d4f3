"""Software as text for a terminal: pure. The same views as the pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.hub.inventory.questions.software import Drift, PackageChange
from slurmlens.hub.views.software.view import LibraryView, NodeSoftwareView, SoftwareView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import clip, pad, visible, wrap
from slurmlens.slurm.hostlist import fold_or_list

MOST_PACKAGES = 15
MOST_LINES = 40


def render_node_software(view: NodeSoftwareView, sheet: Sheet) -> str:
    """A block a source; ends in a newline."""
    lines = [f"software of {visible(view.node)}   {fmt.moment(view.at_ns, sheet.zone)}"]
    lines += [f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)]
    lines += _drifts(view.drift, sheet, with_node=False)
    for one in view.sources:
        shared = f"the same on {fmt.count(one.nodes, 'node')}" if one.nodes else ""
        lines += ["", f"  {one.source}: {fmt.count(one.count, 'package')} since {fmt.moment(one.since_ns, sheet.zone)}"]
        lines[-1] += f", {shared}" if shared else ""
        if one.problem:
            lines.append(f"    {sheet.ink.paint('nothing newer is known', 'warn')}: {one.problem}")
        shown = one.packages[: None if sheet.full else MOST_PACKAGES]
        lines += [
            clip(
                f"    {pad(visible(line.name), 32)} {pad(visible(line.version), 24)} {visible(line.place)}",
                sheet.columns,
            )
            for line in shown
        ]
        if len(shown) < one.count:
            lines.append(f"    … and {one.count - len(shown)} more (--wide)")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_library(view: LibraryView, sheet: Sheet) -> str:
    """A line a version; ends in a newline."""
    lines = [f"{visible(view.name)}   {fmt.moment(view.at_ns, sheet.zone)}"]
    lines += [f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)]
    lines += [""] if view.versions else []
    for one in view.versions:
        where = f"{one.source} {visible(one.place)}".strip()
        nodes = fold_or_list(one.nodes)
        row = f"  {pad(visible(one.version), 28)} {pad(where, 20)} {len(one.nodes):>6}  {visible(nodes)}"
        lines.append(clip(row, sheet.columns))
    return "\n".join(lines) + "\n"


def render_software(view: SoftwareView, sheet: Sheet) -> str:
    """The sentence, the sources, who differs; ends in a newline."""
    lines = [f"software of cluster {visible(view.cluster)}   {fmt.moment(view.at_ns, sheet.zone)}"]
    lines += [f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)]
    lines += [""] if view.sources else []
    for one in view.sources:
        problems = f", {fmt.count(one.problems, 'node')} cannot read it" if one.problems else ""
        lines.append(f"  {pad(one.source, 10)} {fmt.count(one.nodes, 'node')}, {fmt.count(one.sets, 'set')}{problems}")
    lines += _drifts(view.drift, sheet, with_node=True)
    for two in view.populations[:MOST_LINES]:
        first, second = _words(two.first), _words(two.second)
        what = f"  {visible(two.group)}: {visible(two.name)}"
        lines.append(f"{what} is {first} on {two.first_nodes} and {second} on {two.second_nodes}")
    lines += [f"  not compared, of too many different sets: {visible(one)}" for one in view.not_compared]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_package_changes(lines: Sequence[PackageChange], sheet: Sheet) -> Iterator[str]:
    """A line a package that differs."""
    shown = lines[: None if sheet.full else MOST_LINES]
    for one in shown:
        name = f"{one.source} {visible(one.name)}"
        yield clip(f"  {pad(name, 36)} {pad(_words(one.left), 28)} {_words(one.right)}", sheet.columns)
    if len(shown) < len(lines):
        yield f"  … and {len(lines) - len(shown)} more packages (--wide)"


def _drifts(drift: Sequence[Drift], sheet: Sheet, *, with_node: bool) -> Iterator[str]:
    shown = drift[: None if sheet.full else MOST_LINES]
    if shown:
        yield ""
    for one in shown:
        node = f"{pad(visible(one.node), 12)} " if with_node else ""
        usual = f"{_words(one.usual)} on {fmt.percent(one.share)} of {visible(one.group)}"
        yield clip(f"  {node}{pad(visible(one.name), 28)} {pad(_words(one.has), 24)} {usual}", sheet.columns)
    if len(shown) < len(drift):
        yield f"  … and {len(drift) - len(shown)} more (--wide)"


def _words(versions: Sequence[str]) -> str:
    return visible(", ".join(one or "there" for one in versions)) if versions else "–"
