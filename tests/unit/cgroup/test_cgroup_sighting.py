"""Two looks at the tree become what appeared and what went, each once and in an order that can be acted on."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.sighting import SLUIDS_LEARNT, CgroupGone, CgroupRoster, CgroupSeen, Moment, Sighting
from slurmlens.cgroup.tree import JobCgroup, StepCgroup

NOW = Moment(1, 2)


def _place(name: str) -> CgroupPlace:
    return CgroupPlace(Hierarchy.V2, Path(name), Path(name))


def _job(
    *steps: str,
    key: str = "job_7",
    inode: int = 1,
    job_id: int | None = 7,
    uid: int | None = None,
    sluid: str | None = None,
) -> JobCgroup:
    members = tuple(StepCgroup(step, _place(f"{key}/step_{step}/user")) for step in steps)
    return JobCgroup(key, frozenset({("", inode)}), job_id, sluid, uid, _place(key), _place("."), members)


def _short(sightings: list[Sighting]) -> list[tuple[str, str | None]]:
    return [("seen" if isinstance(one, CgroupSeen) else "gone", one.step) for one in sightings]


def test_a_job_is_seen_before_its_steps_and_goes_after_them() -> None:
    roster = CgroupRoster()
    seen = list(roster.look_at("job_7", _job("0", "batch"), NOW))
    assert _short(seen) == [("seen", None), ("seen", "0"), ("seen", "batch")]
    assert _short(list(roster.look_at("job_7", None, NOW))) == [("gone", "0"), ("gone", "batch"), ("gone", None)]
    assert list(roster.look_at("job_7", None, NOW)) == []


def test_only_what_changed_is_told() -> None:
    roster = CgroupRoster()
    list(roster.look_at("job_7", _job("0"), NOW))
    assert list(roster.look_at("job_7", _job("0"), NOW)) == []
    assert _short(list(roster.look_at("job_7", _job("1"), NOW))) == [("gone", "0"), ("seen", "1")]


def test_a_folder_without_a_name_is_told_when_it_has_one() -> None:
    roster = CgroupRoster()
    sluid = "sAZNM81GJARB00"
    assert list(roster.look_at(sluid, _job("0", key=sluid, job_id=None, sluid=sluid), NOW)) == []
    assert roster.unnamed == {sluid}
    named = list(roster.look_at(sluid, _job("0", key=sluid, job_id=3, sluid=sluid), NOW))
    assert [one.job_id for one in named] == [3, 3]
    assert roster.unnamed == frozenset()


def test_what_a_hook_said_of_a_sluid_names_its_folder_once() -> None:
    roster = CgroupRoster()
    sluid = "sAZNM81GJARB00"
    roster.learn(sluid, 3)
    (seen,) = roster.look_at(sluid, _job(key=sluid, job_id=None, sluid=sluid), NOW)
    assert seen.job_id == 3
    list(roster.look_at(sluid, None, NOW))
    assert list(roster.look_at(sluid, _job(key=sluid, job_id=None, sluid=sluid), NOW)) == [], "told anew for a new life"


def test_what_hooks_say_of_jobs_whose_folders_are_not_seen_is_forgotten_after_a_thousand_more() -> None:
    roster = CgroupRoster()
    for number in range(SLUIDS_LEARNT + 1):
        roster.learn(f"s{number:013d}", number + 1)
    first, last = "s" + "0" * 13, f"s{SLUIDS_LEARNT:013d}"
    assert list(roster.look_at(first, _job(key=first, job_id=None, sluid=first), NOW)) == []
    (seen,) = roster.look_at(last, _job(key=last, job_id=None, sluid=last), NOW)
    assert seen.job_id == SLUIDS_LEARNT + 1


def test_a_name_once_known_stays_when_the_title_is_gone() -> None:
    roster = CgroupRoster()
    list(roster.look_at("job_7", _job(job_id=3, uid=2000), NOW))
    (step,) = roster.look_at("job_7", _job("0", job_id=None, uid=None), NOW)
    assert isinstance(step, CgroupSeen)
    assert (step.job_id, step.uid) == (3, 2000)


def test_a_new_folder_of_the_same_name_is_another_life() -> None:
    roster = CgroupRoster()
    (first,) = roster.look_at("job_7", _job(inode=1), NOW)
    gone, second = roster.look_at("job_7", _job(inode=2), NOW)
    assert isinstance(gone, CgroupGone)
    assert isinstance(second, CgroupSeen)
    assert first.life == gone.life != second.life


_LOOKS = st.lists(
    st.tuples(
        st.sampled_from(["job_1", "job_2"]),
        st.one_of(st.none(), st.tuples(st.sets(st.sampled_from("012")), st.integers(1, 2), st.sampled_from([None, 5]))),
    ),
    max_size=30,
)


@given(_LOOKS)
def test_everything_seen_is_seen_once_and_goes_once_in_its_own_life(
    looks: list[tuple[str, tuple[set[str], int, int | None] | None]],
) -> None:
    roster = CgroupRoster()
    told: list[Sighting] = []
    for key, what in looks:
        job = None if what is None else _job(*sorted(what[0]), key=key, inode=what[1], job_id=what[2])
        told += roster.look_at(key, job, NOW)
    for key in ("job_1", "job_2"):
        told += roster.look_at(key, None, NOW)
    alive: set[tuple[str, int, str | None]] = set()
    for one in told:
        name = (one.key, one.life, one.step)
        job = (one.key, one.life, None)
        if isinstance(one, CgroupSeen):
            assert name not in alive
            assert one.step is None or job in alive
            alive.add(name)
        else:
            assert job in alive
            alive.remove(name)
    assert not alive
    assert roster.keys == frozenset()
