"""A `HomeView` for a terminal: jobs as `slurmlens jobs` lists them, failures with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.views.home.view import FailedJob, HomeView
from slurmlens.hub.views.jobs.terminal import render_jobs
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import pad, visible, wrap

_STATE_COLUMNS = 17
_INDENT = 4


def render_home(view: HomeView, sheet: Sheet) -> str:
    """The page as text; ends in a newline."""
    return "\n".join(line.rstrip() for line in _lines(view, sheet)) + "\n"


def _lines(view: HomeView, sheet: Sheet) -> Iterator[str]:
    yield sheet.ink.paint(f"Jobs of {visible(view.user)}", "strong")
    yield f"  {view.sentence}"
    if view.current.rows:
        yield ""
        yield from render_jobs(view.current, sheet).splitlines()
    for failed in view.failed:
        yield ""
        yield from _failed(failed, sheet)
    yield ""
    for line in wrap(view.use.sentence, sheet.columns - 2):
        yield f"  {line}"
    yield from _weeks(view, sheet)


def _weeks(view: HomeView, sheet: Sheet) -> Iterator[str]:
    if not view.weeks:
        return
    yield ""
    yield "  week from   core time  CPU used  memory used  GPUs busy  in failed jobs"
    for week in view.weeks:
        monday = fmt.iso_s(week.from_s * NS_PER_S)[:10]
        cells = (
            f"{fmt.core_time(week.core_s):>9}  {fmt.percent(week.cpu_ratio):>8}  {fmt.percent(week.memory_ratio):>11}"
        )
        yield f"  {monday}  {cells}  {fmt.percent(week.gpu_ratio):>9}  {fmt.percent(week.failed_ratio):>14}"


def _failed(failed: FailedJob, sheet: Sheet) -> Iterator[str]:
    job = failed.job
    style = STATE_STYLES[job.state]
    state = sheet.ink.paint(pad(f"{style.glyph} {job.state_text}", _STATE_COLUMNS), style.tone)
    yield f"  {state} {job.job_id}  {visible(job.name or '')}  {fmt.moment(job.ended_ns, sheet.zone)}"
    for line in wrap(visible(failed.headline), sheet.columns - _INDENT):
        yield " " * _INDENT + line
    if failed.cause:
        for line in wrap(f"Cause: {failed.cause}.", sheet.columns - _INDENT):
            yield " " * _INDENT + line
    for advice in failed.advice:
        words = advice.text if advice.line is None else f"{advice.text} {advice.line}"
        for line in wrap(f"→ {words}", sheet.columns - _INDENT):
            yield " " * _INDENT + line
