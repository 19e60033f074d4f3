"""Figures, charts and advice: what is measured, what is not, and what each is worth."""

from __future__ import annotations

import datetime
import statistics

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.events import FigureSource, Point, Profile, Totals
from slurmlens.hub.history.conclude.run_extent import parse_cpus_per_node
from slurmlens.hub.history.facts import Detail, JobFacts
from slurmlens.hub.history.profiles.course import course_of
from slurmlens.hub.views.job.advice import build_advice, rounded_memory
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.oddities import stopped_computing
from slurmlens.hub.views.job.profile_bins import GAP, MOST_COLUMNS, bands_of, grid_for, on_grid, shrink
from slurmlens.hub.views.job.scale import scale_for
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.job.view import Allocation, Amount, Chart, JobView, Phase
from slurmlens.shown.terminal import Sheet
from slurmlens.slurm.records import JobState
from testkit import job_gallery as gallery
from testkit.job_parts import (
    GIB,
    MIB,
    START_NS,
    S,
    exact,
    make_facts,
    make_node,
    make_profile,
    make_record,
    make_totals,
    steady,
    unseen,
    until,
)


def chart(view: JobView, key: str) -> Chart:
    assert view.charts is not None
    return next(chart for chart in view.charts.charts if chart.key == key)


def test_cpu_is_cpu_seconds_over_allocated_cores_times_run_time() -> None:
    view = build_job_view(gallery.failed_on_faulty_node())
    assert view.cpu.used == pytest.approx(82.2)
    assert view.cpu.asked == pytest.approx(124.0)
    assert view.cpu.ratio == pytest.approx(82.2 / 124)


def test_what_nobody_measured_is_unavailable_and_says_why() -> None:
    view = build_job_view(gallery.without_io())
    assert view.io.read_bytes is None
    assert view.io.note is not None
    assert "not measured" in view.io.note
    assert view.pressure.io_ratio is None
    silent = build_job_view(gallery.without_samples())
    assert silent.cpu.used is None
    assert silent.cpu.ratio is None
    assert {note.text for node in silent.nodes for note in node.notes} == {
        "no daemon reported this job",
        "its cgroup was never read",
    }


def test_a_job_that_the_scheduler_has_forgotten_does_not_run_on_for_the_reader() -> None:
    facts = make_facts(JobState.UNKNOWN, "UNKNOWN (the scheduler has forgotten it)", None)
    record = msgspec.structs.replace(make_record(JobState.UNKNOWN, None), state_flags=("VANISHED",))
    view = build_job_view(msgspec.structs.replace(facts, record=record))
    assert (view.phase, view.times.ran.used) == (Phase.ENDED, None)
    assert "Ended" in render_job(view, Sheet(zone=datetime.UTC))


def test_no_figure_of_a_job_without_samples_is_zero() -> None:
    text = render_job(build_job_view(gallery.without_samples()), Sheet(zone=datetime.UTC))
    assert "0 %" not in text
    assert " 0 B" not in text


def test_a_sum_without_all_nodes_is_measured_against_the_nodes_that_told() -> None:
    nodes = (make_node("c1", 31), make_node("c2", 31, totals=None, samples=0))
    view = build_job_view(make_facts(JobState.COMPLETED, "COMPLETED", 31, nodes=nodes))
    assert view.cpu.used == pytest.approx(58.0)
    assert view.cpu.asked == pytest.approx(62.0)
    assert not view.cpu.complete
    assert view.cpu.note == "without c2, not measured there"
    assert not view.provenance.complete


def test_the_source_of_a_sum_is_that_of_its_worst_part() -> None:
    nodes = (
        make_node("c1", 31, totals=make_totals(cpu_s=exact(58, FigureSource.TASK_EXIT))),
        make_node("c2", 31, totals=make_totals(cpu_s=exact(50, FigureSource.LAST_SAMPLE, complete=False))),
    )
    view = build_job_view(make_facts(JobState.COMPLETED, "COMPLETED", 31, nodes=nodes))
    assert view.cpu.source == "last_sample"
    assert not view.cpu.complete


def test_unlike_nodes_have_no_common_limit_and_their_own_share() -> None:
    facts = gallery.completed()
    uneven = msgspec.structs.replace(facts.identity, cpus_per_node="4,2")
    facts = msgspec.structs.replace(facts, identity=uneven, record=make_record(JobState.COMPLETED, 31, cpu_count=6))
    assert [node.cpu.asked for node in build_job_view(facts).nodes] == [124.0, 62.0]
    assert chart(build_job_view(facts), "cpu").limit is None


@pytest.mark.parametrize(
    ("text", "cores"),
    [("2(x2)", (2, 2)), ("4(x2),2", (4, 4, 2)), ("16", (16,)), ("2(x", ()), ("", ()), ("2(x999999999)", ())],
)
def test_cpus_per_node_is_read_or_left_alone(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cpus_per_node(text) == cores


@given(st.text(st.sampled_from("0123456789(x),- "), max_size=30))
def test_cpus_per_node_never_raises(text: str) -> None:
    assert all(core >= 0 for core in parse_cpus_per_node(text))


def test_a_gap_is_a_gap_in_the_chart_and_in_the_sparkline() -> None:
    view = build_job_view(gallery.with_a_gap())
    series = chart(view, "cpu").series[0]
    assert series.values[8:18] == (None,) * 10
    assert series.values[7] is not None
    assert None in next(node for node in view.nodes if node.name == "c1").cpu_course


def test_up_to_eight_nodes_are_lines_and_more_are_a_band_with_the_odd_ones() -> None:
    roles = {part.role for part in chart(build_job_view(gallery.completed()), "cpu").series}
    assert roles == {"line"}
    series = chart(build_job_view(gallery.large()), "cpu").series
    assert [part.role for part in series] == ["low", "median", "high", "odd"]
    assert series[3].label == "n077"
    low, middle, high = (part.values[60] for part in series[:3])
    assert low is not None
    assert middle is not None
    assert high is not None
    assert low < middle < high


def test_figures_that_stand_in_for_the_jobs_own_are_labelled() -> None:
    view = build_job_view(gallery.completed())
    assert chart(view, "io").note == "summed over living processes"
    assert chart(view, "pressure_io").note == "of the whole node, not of the job alone"
    assert chart(build_job_view(gallery.large()), "io").note is None


def test_an_empty_chart_says_why() -> None:
    assert chart(build_job_view(gallery.timeout()), "cpu").note == "the nodes sent totals, but no course"
    never_read = build_job_view(gallery.without_samples()).charts
    assert never_read is not None
    assert {part.note for part in never_read.charts} == {"no samples: the job's cgroup was never read"}
    large = gallery.large()
    assert chart(build_job_view(large), "pressure_cpu").note == "only the total is known: no course of it was measured"
    without_totals = tuple(msgspec.structs.replace(node, totals=None) for node in large.nodes)
    large = msgspec.structs.replace(large, nodes=without_totals)
    assert (
        chart(build_job_view(large), "pressure_cpu").note == "not measured: this kernel has no pressure counters (PSI)"
    )
    starting = msgspec.structs.replace(gallery.running(), nodes=(make_node("c1", 1, totals=None, profile=None),))
    assert chart(build_job_view(starting), "cpu").note == "waiting for the first samples"


def test_profiles_of_unlike_width_come_onto_the_coarser_grid() -> None:
    fine = make_profile(40, {"cpu_cores": lambda at_s: 2.0}, width_s=1)
    coarse = make_profile(40, {"cpu_cores": lambda at_s: 1.0}, width_s=4)
    grid = grid_for([fine, coarse], START_NS, START_NS + 40 * S)
    assert grid is not None
    assert grid.width_ns == 4 * S
    assert set(on_grid(fine, "cpu_cores", grid)) == {2.0}
    assert {value for value in on_grid(coarse, "cpu_cores", grid) if value >= 0} == {1.0}


@given(
    st.lists(st.just(GAP) | st.floats(min_value=0, max_value=1e12), max_size=200),
    st.integers(min_value=1, max_value=60),
)
def test_a_shrunk_course_stays_within_its_values(values: list[float], columns: int) -> None:
    small = shrink(values, columns)
    known = [value for value in values if value >= 0]
    assert len(small) == min(len(values), columns)
    assert all(value == GAP or min(known) * 0.999 <= value <= max(known) * 1.001 for value in small)


@given(st.lists(st.lists(st.just(GAP) | st.floats(0, 1e12), min_size=3, max_size=3), min_size=1, max_size=12))
def test_bands_are_the_lowest_the_median_and_the_highest_of_the_nodes_that_told(courses: list[list[float]]) -> None:
    bands = bands_of(courses)
    for index in range(3):
        known = [course[index] for course in courses if course[index] >= 0]
        wanted = (min(known), statistics.median(known), max(known)) if known else (GAP, GAP, GAP)
        assert (bands.low[index], bands.median[index], bands.high[index]) == wanted


@given(
    st.sampled_from(["cores", "bytes", "bytes/s", "ratio"]),
    st.floats(min_value=0, max_value=1e16),
    st.none() | st.floats(min_value=0, max_value=1e16),
)
def test_a_scale_holds_its_values_with_few_ticks(unit: str, highest: float, lowest: float | None) -> None:
    scale = scale_for(unit, highest, lowest)
    assert scale.low <= -(lowest or 0.0)
    assert scale.high >= highest
    assert 0.0 in scale.ticks
    assert 2 <= len(scale.ticks) <= 9
    assert len(set(scale.ticks)) == len(scale.ticks) == len(scale.texts)


def test_a_node_that_went_idle_is_found_and_one_that_ended_early_by_a_bin_is_not() -> None:
    busy = {"cpu_cores": until(steady(1.9), 12)}
    stop = stopped_computing(make_profile(31, busy), 2, START_NS + 31 * S)
    assert stop is not None
    assert stop.idle_s == pytest.approx(19, abs=1)
    at_the_end = {"cpu_cores": until(steady(1.9), 30)}
    assert stopped_computing(make_profile(31, at_the_end), 2, START_NS + 31 * S) is None
    nobody_looked = {"cpu_cores": unseen(steady(1.9), 12, 31)}
    assert stopped_computing(make_profile(31, nobody_looked), 2, START_NS + 31 * S) is None

    never_busy = {"cpu_cores": steady(0.01)}
    assert stopped_computing(make_profile(31, never_busy), 2, START_NS + 31 * S) is None


def test_what_moves_while_slurm_ends_a_run_is_no_work() -> None:
    def woken(at_s: float) -> float:
        return 0.9 if at_s < 20 else 0.1 if at_s >= 118 else 0.0

    end_ns = START_NS + 120 * S
    profile = make_profile(120, {"cpu_cores": woken}, width_s=1.0)
    assert stopped_computing(profile, 1, end_ns) is None
    stop = stopped_computing(profile, 1, end_ns, was_ended=True)
    assert stop is not None
    assert stop.idle_s == pytest.approx(100, abs=2)
    at_work = make_profile(120, {"cpu_cores": steady(0.9)}, width_s=1.0)
    assert stopped_computing(at_work, 1, end_ns, was_ended=True) is None


def advise(state: JobState, **changes: Amount) -> list[str | None]:
    cpu, memory, ran = (changes.get(name, Amount()) for name in ("cpu", "memory", "ran"))
    return [advice.line for advice in build_advice(state, Allocation(cores=4), cpu, memory, ran, 11)]


def test_memory_advice_leaves_a_margin_and_needs_a_complete_peak() -> None:
    memory = Amount(used=287 * MIB, asked=2.0 * GIB, ratio=0.14)
    assert advise(JobState.COMPLETED, memory=memory) == ["--mem=384M"]
    assert advise(JobState.COMPLETED, memory=msgspec.structs.replace(memory, complete=False)) == []
    assert advise(JobState.TIMEOUT, memory=memory) == []
    assert advise(JobState.OUT_OF_MEMORY, memory=Amount(used=512.0 * MIB, asked=512.0 * MIB, ratio=1.0)) == ["--mem=1G"]


def test_a_shorter_limit_is_advised_for_long_limits_only() -> None:
    assert advise(JobState.COMPLETED, ran=Amount(used=2_000, asked=14_400, ratio=2_000 / 14_400)) == ["--time=00:42:00"]
    assert advise(JobState.COMPLETED, ran=Amount(used=30, asked=300, ratio=0.1)) == []


@given(st.floats(min_value=1, max_value=2**50))
def test_an_advised_size_is_enough(size: float) -> None:
    assert rounded_memory(size) >= size


POINTS = st.builds(
    lambda low, rise, top: Point(low, low + rise, low + rise + top), *[st.floats(min_value=0, max_value=1e13)] * 3
) | st.just(Point(None, None, None))
PROFILES = st.builds(
    Profile,
    start_ns=st.integers(min_value=START_NS - 100 * S, max_value=START_NS + 400 * S),
    width_s=st.sampled_from([0.02, 1.0, 10.0, 640.0]),
    columns=st.dictionaries(
        st.sampled_from(["cpu_cores", "memory_bytes", "io_read_bytes_per_second", "node_pressure_io_some_ratio"]),
        st.lists(POINTS, max_size=12),
    ),
)
FIGURES = st.none() | st.builds(
    exact, st.floats(min_value=0, max_value=1e15), st.sampled_from(FigureSource), complete=st.booleans()
)
TOTALS = st.builds(
    Totals,
    samples=st.integers(0, 10_000),
    cpu_s=FIGURES,
    memory_peak_bytes=FIGURES,
    memory_limit_bytes=st.none() | st.integers(0, 2**50),
    oom_kills=st.none() | st.integers(0, 5),
    io_read_bytes=FIGURES,
    io_written_bytes=FIGURES,
    pressure_io_some_s=FIGURES,
)


@st.composite
def any_facts(draw: st.DrawFn) -> JobFacts:
    state = draw(st.sampled_from(JobState))
    seconds = draw(st.none() | st.floats(min_value=0, max_value=1e6))
    names = draw(st.lists(st.sampled_from(["c1", "c2", "x[", "\x1b", "näme"]), unique=True, max_size=4))
    nodes = tuple(
        make_node(name, seconds or 1.0, totals=draw(st.none() | TOTALS), profile=course_of(draw(st.none() | PROFILES)))
        for name in names
    )
    record = make_record(
        state,
        seconds,
        nodes=tuple(names),
        cpu_count=draw(st.sampled_from([None, 0, 1, 3, 4096])),
        memory_bytes=draw(st.sampled_from([None, 0, GIB])),
        time_limit_s=draw(st.sampled_from([None, 0, 60])),
        name=draw(st.text(max_size=20)),
        exit_code=draw(st.sampled_from([None, 0, 1, 255, 139])),
        exit_signal=draw(st.sampled_from([None, 0, 9, 99])),
    )
    facts = make_facts(state, state.value, seconds, record=record, nodes=nodes)
    return msgspec.structs.replace(facts, start_ns=draw(st.sampled_from([None, START_NS])))


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(any_facts())
def test_no_facts_whatever_break_the_view_the_report_or_the_json(facts: JobFacts) -> None:
    view = build_job_view(facts)
    text = render_job(view, Sheet(zone=datetime.UTC))
    assert text.endswith("\n")
    assert msgspec.json.decode(msgspec.json.encode(view), type=JobView) == view


def test_a_fine_profile_of_a_long_job_costs_no_more_than_its_bins() -> None:
    """A bin width that does not fit the run (a damaged or hostile profile) must not become millions of empty bins."""
    tiny = make_profile(1, {"cpu_cores": steady(2.0)}, width_s=0.02)
    assert stopped_computing(tiny, 2, START_NS + 10**6 * S) is None
    grid = grid_for([tiny], START_NS, START_NS + 10**6 * S)
    assert grid is not None
    assert grid.count <= MOST_COLUMNS + 1


def test_a_job_that_has_lost_detail_by_age_says_so() -> None:
    facts = gallery.GALLERY["failed_on_faulty_node"]()
    assert not any("long ago" in note for note in build_job_view(facts).provenance.notes)
    for detail, words in (
        (Detail.COARSE, "120 points"),
        (Detail.NO_EVENTS, "events are gone"),
        (Detail.NO_COURSE, "totals"),
    ):
        notes = build_job_view(msgspec.structs.replace(facts, detail=detail)).provenance.notes
        assert any("ended long ago" in note and words in note for note in notes)
