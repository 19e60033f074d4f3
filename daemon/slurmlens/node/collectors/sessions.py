"""Who is here without a job: sessions of users that no allocation covers, by systemd's cgroup of each user.

`user.slice/user-UID.slice` (systemd-logind(8)) holds what a user started by ssh, cron or systemd; pam_slurm_adopt moves
into the job what belongs to one, and slurmstepd's processes are elsewhere. cgroup v2: `cpu.stat`, `memory.current`,
`pids.current`; v1: `cpuacct.usage` (ns), `memory.usage_in_bytes`, `pids.current`, each where systemd accounts for it.
No walk over processes. Users below `LEAST_UID` are the system's. Figures of a user are personal: see `node_metrics`.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

LEAST_UID = 1000
"""UID_MIN of login.defs(5)."""
MOST_USERS = 200
_V2 = "sys/fs/cgroup/user.slice"
_CPU_V1 = ("sys/fs/cgroup/cpu,cpuacct/user.slice", "sys/fs/cgroup/cpuacct/user.slice")
_MEMORY_V1 = "sys/fs/cgroup/memory/user.slice"
_PIDS_V1 = "sys/fs/cgroup/pids/user.slice"


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    sums: dict[str, int] = {"users_count": 0}
    for uid, figures in _users(look):
        sums["users_count"] += 1
        for name, value in figures.items():
            sums[name] = sums.get(name, 0) + value
            yield Sample(f"user_{name}", str(uid), value)
    for name, value in sums.items():
        yield Sample(name, "", value)


def _users(look: MachineLook) -> Iterator[tuple[int, dict[str, int]]]:
    """Of each user who has processes, what they take; `cpu_cores` in µs so far."""
    folder = next((one for one in (_V2, *_CPU_V1, _PIDS_V1) if look.files.exists(one)), _V2)
    for name in look.files.names(folder)[:MOST_USERS]:
        uid = _uid(name)
        if uid is None or uid < LEAST_UID:
            continue
        found = _unified(look, name) if folder == _V2 else _legacy(look, name)
        figures = {key: value for key, value in found.items() if value is not None}
        if figures.get("processes_count", 1):
            yield uid, figures


def _uid(name: str) -> int | None:
    number = name.removeprefix("user-").removesuffix(".slice")
    return int(number) if name == f"user-{number}.slice" and number.isascii() and number.isdigit() else None


def _unified(look: MachineLook, name: str) -> dict[str, int | None]:
    stat = look.files.text(f"{_V2}/{name}/cpu.stat") or ""
    words = dict(line.split(" ", 1) for line in stat.splitlines() if " " in line)
    return {
        "cpu_cores": int(words["usage_usec"]) if "usage_usec" in words else None,
        "memory_bytes": look.files.number(f"{_V2}/{name}/memory.current"),
        "processes_count": look.files.number(f"{_V2}/{name}/pids.current"),
    }


def _legacy(look: MachineLook, name: str) -> dict[str, int | None]:
    used = (look.files.number(f"{folder}/{name}/cpuacct.usage") for folder in _CPU_V1)
    cpu_ns = next((value for value in used if value is not None), None)
    return {
        "cpu_cores": None if cpu_ns is None else cpu_ns // 1000,
        "memory_bytes": look.files.number(f"{_MEMORY_V1}/{name}/memory.usage_in_bytes"),
        "processes_count": look.files.number(f"{_PIDS_V1}/{name}/pids.current"),
    }
