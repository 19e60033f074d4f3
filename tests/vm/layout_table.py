"""The table of the virtual machine's tests: cgroup layout x kind of job x metric, with a verdict each.

A figure is right, a lower bound that says it is one, unavailable where the layout has no such file, or wrong.

Pure: what a job's page says is held against what the job's own program read from the kernel a moment before it ended.
A figure may be larger by what Slurm and the shell did after that moment, and never smaller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Verdict = Literal["right", "lower bound", "unavailable", "wrong"]
MIB = 1 << 20
END_CPU_S = 20.0
"""What a batch script's end, srun and slurmstepd may burn after the look: all of it is emulated."""
END_BYTES = 64 * MIB


class Comparison(NamedTuple):
    """One cell. `shown` is what the page says, `seen` what the job's program read."""

    layout: str
    kind: str
    metric: str
    verdict: Verdict
    shown: float | None
    seen: float | None


def judge(
    shown: float | None, seen: float | None, slack: float, *, is_there: bool = True, is_complete: bool = True
) -> Verdict:
    """`is_there`: the layout has that file, so that nothing shown is wrong; and where it has not, anything shown is."""
    if shown is None:
        return "wrong" if is_there else "unavailable"
    if not is_there or seen is None:
        return "wrong"
    if not is_complete:
        return "lower bound" if 0 <= shown <= seen + slack else "wrong"
    return "right" if seen * 0.999 - 0.01 <= shown <= seen + slack else "wrong"


def compare(
    layout: str, kind: str, page: Mapping[str, Any], seen: Sequence[Mapping[str, Any]], kills: int
) -> list[Comparison]:
    """The row of one job. `page` is its page as JSON, `seen` what each of its programs wrote."""
    (node,) = page["nodes"]
    last = max((one["job"] for one in seen), key=lambda one: one["cpu_s"], default={})
    cpu, memory, io = (node.get(part, {}) for part in ("cpu", "memory", "io"))
    cells = [
        ("cpu", cpu.get("used"), last.get("cpu_s"), END_CPU_S, True, cpu),
        ("memory peak", memory.get("used"), last.get("memory_peak_bytes"), END_BYTES, True, memory),
        ("oom kills", node.get("oom_kills"), float(kills), 0.0, True, {}),
        ("bytes written", io.get("written_bytes"), last.get("written_bytes"), END_BYTES, None, io),
        # The highest that a sample showed, where the kernel keeps no peak (before 6.11): one at least.
        ("processes", node.get("pids_peak"), 1.0 if last.get("pids") else None, 64.0, None, {}),
        ("pressure", node.get("pressure", {}).get("cpu_ratio"), 0.0, 1.0, True, {}),
    ]
    return [
        Comparison(
            layout,
            kind,
            metric,
            judge(
                shown,
                wanted,
                slack,
                is_there=wanted is not None if is_there is None else is_there,
                is_complete=whole.get("complete", True),
            ),
            shown,
            wanted,
        )
        for metric, shown, wanted, slack, is_there, whole in cells
    ]


def compare_steps(layout: str, kind: str, page: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]) -> Comparison:
    """Each step's CPU seconds against the step's own folder."""
    steps = {step["step"]: step for step in page["steps"]}
    verdicts = {
        step: judge(
            steps.get(step, {}).get("cpu_s"),
            one["step"]["cpu_s"],
            END_CPU_S,
            is_complete=steps.get(step, {}).get("cpu_complete", False),
        )
        for step, one in seen.items()
    }
    verdict: Verdict = next((one for one in ("wrong", "lower bound") if one in verdicts.values()), "right")
    return Comparison(
        layout,
        kind,
        "cpu of steps",
        verdict,
        sum(steps.get(step, {}).get("cpu_s") or 0 for step in seen),
        sum(one["step"]["cpu_s"] for one in seen.values()),
    )


def table(comparisons: Iterable[Comparison]) -> str:
    """As Markdown: a row a layout and kind, a column a metric."""
    found = list(comparisons)
    metrics = list(dict.fromkeys(one.metric for one in found))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for one in found:
        text = one.verdict if one.verdict != "wrong" else f"**wrong** ({one.shown} for {one.seen})"
        rows.setdefault((one.layout, one.kind), {})[one.metric] = text
    head = ["layout", "kind of job", *metrics]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [
        f"| {' | '.join([*names, *(cells.get(metric, '') for metric in metrics)])} |" for names, cells in rows.items()
    ]
    return "\n".join(lines) + "\n"
