"""The C reader says what its Python twin says, on recorded and on damaged trees; what is not there is unavailable."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens._cgroup import ffi, lib
from slurmlens.cgroup import reader as reader_module
from slurmlens.cgroup.layout import IO_AND_PIDS_FIELDS, LAYOUTS, CgroupPlace, Hierarchy, step_place
from slurmlens.cgroup.reader import ALL_FIELDS, CPU_USAGE, FAST_TICK, FULL_TICK, CgroupReader, ReadingBatch
from slurmlens.cgroup.reading import RECORD_WORDS, Reading
from slurmlens.cgroup.tree import CgroupTree
from slurmlens.clock import NS_PER_S
from slurmlens.errors import ReaderError
from slurmlens.metrics import FIELDS, Tier
from testkit.checkout import ROOT
from testkit.plain_reader import files_of, read_cgroup, read_node_pressure
from testkit.recorded_cgroups import Recording

HEADER = ROOT / "cext" / "slurmlens_cgroup.h"


@pytest.fixture
def reader() -> CgroupReader:
    return CgroupReader()


def test_the_c_header_lists_the_fields_in_the_order_of_the_metric_table() -> None:
    enum = re.search(r"enum sl_field \{(.*?)\}", HEADER.read_text(), re.DOTALL)
    assert enum is not None
    assert re.findall(r"SL_(\w+)", enum[1]) == [field.name.upper() for field in FIELDS] + ["FIELDS"]
    assert len(FIELDS) == lib.SL_FIELDS
    assert ffi.sizeof("struct sl_reading") == 8 * RECORD_WORDS


def test_the_c_tables_read_every_field_in_the_tier_of_the_metric_table() -> None:
    tiers = {0: None, lib.SL_TIER_FAST: Tier.FAST, lib.SL_TIER_SLOW: Tier.SLOW}
    for hierarchy in (lib.SL_V1, lib.SL_V2, lib.SL_NODE_PRESSURE):
        for index, field in enumerate(FIELDS):
            assert tiers[lib.sl_field_tier(hierarchy, index)] in (None, field.tier), field.name


@pytest.mark.parametrize("tiers", [FAST_TICK, FULL_TICK], ids=["fast", "full"])
def test_recorded_jobs_and_steps_read_as_the_twin_reads_them(
    tree: CgroupTree, reader: CgroupReader, tiers: frozenset[Tier]
) -> None:
    (job,) = tree.jobs()
    places = [job.place, *(step.place for step in job.steps), tree.place]
    readings = reader.read([reader.open(place) for place in places], tiers)
    assert list(readings) == [read_cgroup(place, tiers) for place in places]
    assert all(reading.error == 0 for reading in readings)


def test_a_layout_offers_exactly_the_fields_that_its_row_names(tree: CgroupTree, recording: Recording) -> None:
    (job,) = tree.jobs()
    reader = CgroupReader()
    job_reading, step_reading = reader.read(
        [reader.open_job(job.place), reader.open_step(job.steps[0].place)], FULL_TICK
    )
    offered = job_reading.as_dict().keys() | step_reading.as_dict().keys()  # on v1 its kills are its steps'
    layout = next(layout for layout in LAYOUTS if layout.name == f"{recording.name[:2]}-multiple-slurmd")
    switched_on = recording.name not in ("v1-22.05", "v1-22.05-second-node", "v2-22.05")
    assert offered == (layout.fields | IO_AND_PIDS_FIELDS if switched_on else layout.fields)


def test_the_nodes_pressure_reads_as_the_twin_reads_it(root: Path, reader: CgroupReader) -> None:
    (reading,) = reader.read([reader.open_node_pressure(root / "proc")])
    assert reading == read_node_pressure(root / "proc")
    assert reading.get("pressure_cpu_some_us")
    assert reading.get("pressure_cpu_full_us") is None, "undefined for a whole node"


@pytest.fixture(scope="module")
def playground() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sl-read-"))
    yield folder
    shutil.rmtree(folder)


CGROUPS = ROOT / "tests/fixtures/cgroup"

_LINES = (
    b"user 1,usage_usec 5,oom_kill 3,max,max 2,7,18446744073709551615,8:0 rbytes=1 wios=2,some avg10=0 total=9,"
    b"full total=1,anon 4,total_rss 8,nr_periods 1,user_usec 9x,, ,(unknown) rbytes=3,under_oom 0,oom_kill_disable 0,a"
)
_TEXT = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(_LINES.split(b",")), max_size=6).map(b"\n".join),
    st.lists(
        st.sampled_from([b"8:0", b"(unknown)", b" rbytes=", b" ", b"=", b"12", b"99999999999999999999", b"\n", b":"]),
        max_size=8,
    ).map(b"".join),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(Hierarchy), st.data())
def test_whatever_a_file_says_the_reader_and_its_twin_agree(
    playground: Path, hierarchy: Hierarchy, data: st.DataObject
) -> None:
    place = CgroupPlace(hierarchy, playground, playground)
    for old in playground.iterdir():
        old.unlink()
    for name in data.draw(st.lists(st.sampled_from(files_of(hierarchy)), unique=True, min_size=1, max_size=4)):
        (playground / name).write_bytes(data.draw(_TEXT))
    reader = CgroupReader()
    cgroup = reader.open(place)
    assert reader.read([cgroup], FULL_TICK) == (read_cgroup(place, FULL_TICK),)
    cgroup.close()


def _folder(path: Path, **files: str) -> CgroupPlace:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return CgroupPlace(Hierarchy.V2, path, path)


def test_what_a_device_counted_that_is_being_taken_away_counts(tmp_path: Path, reader: CgroupReader) -> None:
    place = _folder(tmp_path / "job", io__stat=(CGROUPS / "io.stat-unknown-device").read_text())
    (reading,) = reader.read([reader.open(place)], FULL_TICK)
    assert (reading.error, reading) == (0, read_cgroup(place, FULL_TICK))
    assert reading.as_dict() == {
        "io_read_bytes": 1449984 + 4096 + 1000,
        "io_written_bytes": 3145728 + 2000,
        "io_reads": 18 + 1 + 1,
        "io_writes": 24 + 2,
    }


def test_a_kernel_that_does_not_count_oom_kills_makes_them_unavailable_and_no_error(
    tmp_path: Path, reader: CgroupReader
) -> None:
    (tmp_path / "memory.oom_control").write_text((CGROUPS / "memory.oom_control-before-4.13").read_text())
    place = CgroupPlace(Hierarchy.V1, tmp_path, tmp_path)
    (reading,) = reader.read([reader.open(place)], FULL_TICK)
    assert (reading.error, reading.failed_files, reading.get("oom_kill_events")) == (0, 0, None)
    assert reading == read_cgroup(place, FULL_TICK)


def test_a_job_that_cannot_be_read_spoils_no_other(tmp_path: Path, reader: CgroupReader) -> None:
    odd = _folder(
        tmp_path / "odd", cpu__stat="rubbish\n", memory__current="", memory__peak="5" * 20000, pids__current="4\n"
    )
    good = _folder(tmp_path / "good", memory__current="9\n")
    bad, fine = reader.read([reader.open(odd), reader.open(good)])
    assert bad.as_dict() == {"pids_current": 4}
    assert (bad.error, bad.failed_files, bad.reason) == (errno.EBADMSG, 3, "malformed")
    assert fine.as_dict() == {"memory_current_bytes": 9}
    assert (fine.error, fine.reason) == (0, None)


def test_a_folder_that_is_not_there_reads_as_gone_and_is_completed_when_it_comes(
    tmp_path: Path, reader: CgroupReader
) -> None:
    cgroup = reader.open(CgroupPlace(Hierarchy.V2, tmp_path / "job_1", tmp_path / "job_1"))
    (reading,) = reader.read([cgroup])
    assert reading.gone
    assert cgroup.missing == ALL_FIELDS
    assert not cgroup.complete()
    _folder(tmp_path / "job_1", memory__current="9\n")
    assert cgroup.complete()
    assert reader.read([cgroup])[0].as_dict() == {"memory_current_bytes": 9}
    _folder(tmp_path / "job_1", pids__current="2\n")
    assert "pids_current" in cgroup.missing
    assert cgroup.complete()
    assert "pids_current" not in cgroup.missing
    assert not cgroup.complete()


def test_a_new_folder_of_the_same_name_is_not_taken_for_the_old_cgroup(tmp_path: Path, reader: CgroupReader) -> None:
    place = _folder(tmp_path / "job_1", memory__current="9\n")
    cgroup = reader.open(place)
    (tmp_path / "job_1").rename(tmp_path / "old")
    _folder(tmp_path / "job_1", memory__current="1\n", pids__current="2\n")
    assert not cgroup.complete()
    assert reader.read([cgroup])[0].as_dict() == {"memory_current_bytes": 9}


def test_fewer_fields_take_fewer_descriptors(recorded_tree: Callable[[str], CgroupTree], reader: CgroupReader) -> None:
    before = len(os.listdir("/proc/self/fd"))
    cgroup = reader.open(recorded_tree("v2-22.05").place, CPU_USAGE)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    (reading,) = reader.read([cgroup])
    assert reading.as_dict().keys() == CPU_USAGE
    cgroup.close()
    cgroup.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert reader.read([cgroup])[0].gone
    assert not cgroup.complete()


def test_a_batch_shows_its_records_as_one_array(
    recorded_tree: Callable[[str], CgroupTree], reader: CgroupReader
) -> None:
    (job,) = recorded_tree("v1-22.05").jobs()
    batch = reader.batch([reader.open(step.place) for step in job.steps])
    batch.read()
    for index, reading in enumerate(batch.readings()):
        words = batch.words[index * RECORD_WORDS : index * RECORD_WORDS + len(FIELDS)]
        assert tuple(words) == reading.values
    assert batch.gone() == ()
    batch.cgroups[1].close()
    batch.read()
    assert batch.gone() == (1,)
    assert len(batch) == 3


@pytest.mark.parametrize("ends", [(3,), (1, 3), (1, 2, 3), (0, 3)])
def test_read_in_parts_with_rests_every_cgroup_reads_as_without(
    recorded_tree: Callable[[str], CgroupTree], reader: CgroupReader, ends: tuple[int, ...]
) -> None:
    (job,) = recorded_tree("v1-22.05").jobs()
    cgroups = [reader.open(step.place) for step in job.steps]
    whole, parted = ReadingBatch(reader, cgroups), ReadingBatch(reader, cgroups, ends)
    whole.read(FULL_TICK)
    rested = _times_off_the_cpu()
    parted.read(FULL_TICK, rest_ns=100_000)
    assert _times_off_the_cpu() - rested >= len(ends)
    assert tuple(parted.readings()) == tuple(whole.readings())


def test_no_rest_is_taken_before_it_is_due(recorded_tree: Callable[[str], CgroupTree], reader: CgroupReader) -> None:
    (job,) = recorded_tree("v1-22.05").jobs()
    ends = (1, 2, 3)
    batch = ReadingBatch(reader, [reader.open(step.place) for step in job.steps], ends)
    batch.read(FULL_TICK)
    rested = _times_off_the_cpu()
    batch.read(FULL_TICK, busy_ns=3_600 * NS_PER_S, rest_ns=100_000)
    assert _times_off_the_cpu() - rested < len(ends)


def _times_off_the_cpu() -> int:
    """How often this thread has given the CPU up by itself."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def test_an_empty_batch_reads_nothing(reader: CgroupReader) -> None:
    assert reader.read([]) == ()


def test_without_descriptors_the_error_says_what_to_do_and_nothing_leaks(
    recorded_tree: Callable[[str], CgroupTree], reader: CgroupReader
) -> None:
    (job,) = recorded_tree("v2-22.05").jobs()
    before = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(name) for name in os.listdir("/proc/self/fd")}
    fourth_free = [number for number in range(len(taken) + 4) if number not in taken][3]
    resource.setrlimit(resource.RLIMIT_NOFILE, (fourth_free, hard))
    try:
        with pytest.raises(ReaderError, match="LimitNOFILE") as caught:
            reader.open(job.place)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
    assert len(os.listdir("/proc/self/fd")) == before


def test_closing_while_another_thread_reads_waits_for_nobody_and_never_reads_a_strangers_file(
    tmp_path: Path, reader: CgroupReader
) -> None:
    cgroup = reader.open(_folder(tmp_path / "job_1", memory__current="9\n"))
    with reader.quiet():  # as a read in another thread
        closer = threading.Thread(target=cgroup.close)
        closer.start()
        closer.join(timeout=10)
        assert not closer.is_alive()
        assert not cgroup.closed
    assert cgroup.closed


def _is_open(descriptor: str) -> bool:
    """The descriptor of the very listing is not."""
    return Path(f"/proc/self/fd/{descriptor}").is_symlink()


def _v1_job(root: Path) -> CgroupPlace:
    for folder, killed, refused in (("", 0, 0), ("step_0", 0, 4), ("step_0/task_0", 1, 0), ("step_batch", 0, 0)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {killed}\n")
        (root / folder / "memory.failcnt").write_text(f"{refused}\n")
        (root / folder / "memory.memsw.failcnt").write_text("3\n" if folder == "" else "0\n")
    return CgroupPlace(Hierarchy.V1, root / "nowhere", root)


def test_on_v1_a_steps_kills_are_summed_over_its_tasks_and_a_jobs_refusals_over_its_steps(
    tmp_path: Path, reader: CgroupReader
) -> None:
    job = reader.open_job(_v1_job(tmp_path))
    (reading,) = reader.read([job], FULL_TICK)
    assert (reading.get("oom_kill_events"), reading.get("memory_max_events")) == (None, 7)
    step = reader.open_step(CgroupPlace(Hierarchy.V1, tmp_path / "nowhere", tmp_path / "step_0"))
    assert reader.read([step])[0].get("oom_kill_events") == 1
    task = tmp_path / "step_0/task_1"
    task.mkdir()
    (task / "memory.oom_control").write_text("oom_kill 2\n")
    assert step.complete()
    assert not step.complete()
    assert reader.read([step])[0].get("oom_kill_events") == 3


def test_no_file_of_a_job_is_open_twice(tmp_path: Path, reader: CgroupReader) -> None:
    place = _v1_job(tmp_path)
    opened = [reader.open_job(place)]
    opened += [reader.open_step(step_place(place, name)) for name in ("step_0", "step_batch")]
    links = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd") if _is_open(one)]
    ours = [link for link in links if link.startswith(str(tmp_path))]
    assert len(ours) == len(set(ours)) == 9
    for one in opened:
        one.close()


def test_on_v1_too_many_tasks_make_kills_unavailable_rather_than_too_few(
    tmp_path: Path, reader: CgroupReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "EVENT_FILES_MAX", 4)
    place = _v1_job(tmp_path)
    for number in range(1, 5):
        (tmp_path / f"step_0/task_{number}").mkdir()
        (tmp_path / f"step_0/task_{number}/memory.oom_control").write_text("oom_kill 1\n")
    (reading,) = reader.read([reader.open_step(step_place(place, "step_0"))])
    assert reading.get("oom_kill_events") is None
    assert reading.error == 0


def test_a_reading_tells_absent_from_zero() -> None:
    reading = Reading(tuple([0] * len(FIELDS)), have=1)
    assert reading.get("cpu_usage_ns") == 0
    assert reading.get("cpu_user_ns") is None


def test_recordings_of_26_05_have_io_where_it_was_switched_on(recorded_tree: Callable[[str], CgroupTree]) -> None:
    (job,) = recorded_tree("v2-26.05-io-pids").jobs()
    reader = CgroupReader()
    (reading,) = reader.read([reader.open_job(job.place)])
    assert reading.get("io_read_bytes") == 106954752
