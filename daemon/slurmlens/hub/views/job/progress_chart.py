"""The course of a job's progress as one of its charts: the share of the work that is done, over the job's own bins.

Pure. Fed with the course of the task that stands for the job; part of `charts`. Between two reports the share is taken
to grow evenly; before the first there is a gap, after the last it stays where it was.
"""

from __future__ import annotations

from bisect import bisect_right

from slurmlens.clock import NS_PER_S
from slurmlens.hub.progress.course import ProgressSample, TaskCourse
from slurmlens.hub.views.job.profile_bins import Grid
from slurmlens.hub.views.job.scale import scale_for
from slurmlens.hub.views.job.view import Chart, Series

DIGITS = 4


def progress_chart(course: TaskCourse | None, grid: Grid | None) -> Chart | None:
    """The chart; None where nothing was reported, or nobody knows how much there is."""
    if course is None or grid is None or course.last.total is None:
        return None
    times = [sample.time_ns for sample in course.samples]
    values = tuple(_share_at(course.samples, times, round(middle * NS_PER_S)) for middle in grid.middles_s())
    return Chart(
        key="progress",
        title="Progress",
        unit="ratio",
        series=(Series(label="done", role="line", values=values),),
        scale=scale_for("ratio", 1.0, None),
        note="by the job's own word" + (", since it began anew" if course.restarts else ""),
    )


def _share_at(samples: tuple[ProgressSample, ...], times: list[int], time_ns: int) -> float | None:
    after = bisect_right(times, time_ns)
    if after == 0:
        return None
    before, following = samples[after - 1], samples[min(after, len(samples) - 1)]
    total = following.total or before.total or samples[-1].total
    span_ns = following.time_ns - before.time_ns
    part = (time_ns - before.time_ns) / span_ns if span_ns else 0.0
    done = before.done + (following.done - before.done) * part
    return None if total is None else round(min(1.0, done / total), DIGITS)
