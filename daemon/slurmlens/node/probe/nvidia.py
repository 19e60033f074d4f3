"""NVIDIA's GPUs by NVML, as plain dictionaries (`gpus.reading` has their fields).

Owns the library's life in this process: opened at the first reading, opened anew after the driver was loaded again.
Invariants: a GPU is named by UUID and PCI address, never by NVML's index; a figure that NVML does not support, or
refuses once, is left out; a GPU that cannot be asked any more is still told, with its `problem`; nothing is raised
where there is no NVML. Runs in `slurmlens-probe` alone: any call can hang. Reference: NVML API,
docs.nvidia.com/deploy/nvml-api.
"""

from collections.abc import Callable, Iterator
from typing import Any

try:
    import pynvml as nvml
except ImportError:  # the extra `nvidia` is not installed
    nvml = None

MOST_LINKS = 18
_THROTTLES = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "heat (driver)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
"""Bits of nvmlDeviceGetCurrentClocksThrottleReasons that take speed away; idle and set clocks are none."""

_state: dict[str, Any] = {"open": False, "events": None, "xids": {}, "known": {}}


def read() -> list[dict[str, Any]]:
    """All GPUs and MIG instances now."""
    if nvml is None or not _opened():
        return []
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:
        _close()  # the driver is being loaded anew: everything that was known of handles is void
        return [dict(known, problem="the driver does not answer") for known in _state["known"].values()]
    _take_xids()
    found = [gpu for index in range(count) for gpu in _of_index(index)]
    told = {gpu["uuid"] for gpu in found}
    lost = [dict(known, problem="gone") for uuid, known in _state["known"].items() if uuid not in told]
    return found + lost


def _opened() -> bool:
    if _state["open"]:
        return True
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return False
    _state["open"] = True
    _watch_xids()
    return True


def _close() -> None:
    _state["open"], _state["events"] = False, None
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return


def _asked(call: Callable[..., Any], *arguments: Any) -> Any:
    """What NVML says; None where it does not, whatever the error."""
    try:
        return call(*arguments)
    except nvml.NVMLError:
        return None


def _of_index(index: int) -> Iterator[dict[str, Any]]:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid = nvml.nvmlDeviceGetUUID(handle)
    except nvml.NVMLError:
        return  # `read` tells it as gone, by what was known of it
    who = _who(handle, uuid)
    _state["known"][uuid] = who
    figures = dict(_figures(handle))
    problem = "" if "memory_used_bytes" in figures or "temperature_celsius" in figures else "it does not answer"
    instances = list(_instances(handle, who))
    processes = _processes(handle)
    yield dict(
        who,
        **figures,
        problem=problem,
        xid=_state["xids"].get(uuid, (0, 0))[1],
        xids=_state["xids"].get(uuid, (0, 0))[0],
        processes=processes,
        is_split=bool(instances),
    )
    yield from instances


def _who(handle: Any, uuid: str) -> dict[str, Any]:
    pci = _asked(nvml.nvmlDeviceGetPciInfo, handle)
    return {
        "uuid": uuid,
        "pci": "" if pci is None else _text(pci.busId).lower(),
        "minor": _asked(nvml.nvmlDeviceGetMinorNumber, handle),
        "model": _text(_asked(nvml.nvmlDeviceGetName, handle) or ""),
        "part_of": "",
    }


def _figures(handle: Any) -> Iterator[tuple[str, Any]]:
    """What this GPU says of itself, in base units; what it does not say is left out."""
    busy = _asked(nvml.nvmlDeviceGetUtilizationRates, handle)
    if busy is not None:
        yield "utilisation_ratio", busy.gpu / 100
        yield "memory_busy_ratio", busy.memory / 100
    memory = _asked(nvml.nvmlDeviceGetMemoryInfo, handle)
    if memory is not None:
        yield "memory_used_bytes", memory.used
        yield "memory_total_bytes", memory.total
    throttles = _asked(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    if throttles is not None:
        yield "throttles", [words for bit, words in _THROTTLES.items() if throttles & bit]
    for name, scale, call, *arguments in (
        ("power_watts", 1e-3, nvml.nvmlDeviceGetPowerUsage),
        ("energy_joules", 1e-3, nvml.nvmlDeviceGetTotalEnergyConsumption),
        ("temperature_celsius", 1, nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
        ("clock_hertz", 1e6, nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
        ("clock_max_hertz", 1e6, nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM),
        ("memory_clock_hertz", 1e6, nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
        ("pcie_replays_count", 1, nvml.nvmlDeviceGetPcieReplayCounter),
        (
            "ecc_corrected_count",
            1,
            nvml.nvmlDeviceGetTotalEccErrors,
            nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
            nvml.NVML_AGGREGATE_ECC,
        ),
        (
            "ecc_uncorrected_count",
            1,
            nvml.nvmlDeviceGetTotalEccErrors,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_AGGREGATE_ECC,
        ),
    ):
        value = _asked(call, handle, *arguments)
        if value is not None and 0 <= value < 2**63:
            yield name, value * scale
    errors = _link_errors(handle)
    if errors is not None:
        yield "nvlink_errors_count", errors


def _link_errors(handle: Any) -> int | None:
    """CRC errors and replays of all its NVLinks; None where it has none."""
    found = None
    for link in range(MOST_LINKS):
        if _asked(nvml.nvmlDeviceGetNvLinkState, handle, link) is None:
            break
        for kind in (nvml.NVML_NVLINK_ERROR_DL_CRC_FLIT, nvml.NVML_NVLINK_ERROR_DL_REPLAY):
            found = (found or 0) + (_asked(nvml.nvmlDeviceGetNvLinkErrorCounter, handle, link, kind) or 0)
    return found


def _instances(handle: Any, parent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The MIG instances of a GPU that is split; NVML tells no utilisation of these."""
    mode = _asked(nvml.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        return
    for index in range(_asked(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        instance = _asked(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
        uuid = None if instance is None else _asked(nvml.nvmlDeviceGetUUID, instance)
        if uuid is None:
            continue
        memory = _asked(nvml.nvmlDeviceGetMemoryInfo, instance)
        figures = {} if memory is None else {"memory_used_bytes": memory.used, "memory_total_bytes": memory.total}
        who = dict(
            parent,
            uuid=uuid,
            part_of=parent["uuid"],
            minor=None,
            model=_text(_asked(nvml.nvmlDeviceGetName, instance) or ""),
        )
        yield dict(who, **figures, problem="", processes=_processes(instance))


def _processes(handle: Any) -> list[list[int]]:
    """[process id, bytes] of whatever computes or draws there; 0 bytes where NVML does not say."""
    found: dict[int, int] = {}
    for call in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in _asked(call, handle) or ():
            found[process.pid] = max(found.get(process.pid, 0), process.usedGpuMemory or 0)
    return [[pid, size] for pid, size in sorted(found.items())]


def _watch_xids() -> None:
    events = _asked(nvml.nvmlEventSetCreate)
    for index in range(_asked(nvml.nvmlDeviceGetCount) or 0):
        handle = _asked(nvml.nvmlDeviceGetHandleByIndex, index)
        if events is not None and handle is not None:
            _asked(nvml.nvmlDeviceRegisterEvents, handle, nvml.nvmlEventTypeXidCriticalError, events)
    _state["events"] = events


def _take_xids() -> None:
    """XIDs (the driver's error numbers) since the last reading: by UUID how many so far, and the last one."""
    for _ in range(100):
        event = None if _state["events"] is None else _asked(nvml.nvmlEventSetWait, _state["events"], 0)
        if event is None:
            return
        uuid = _asked(nvml.nvmlDeviceGetUUID, event.device)
        if uuid is not None:
            _state["xids"][uuid] = (_state["xids"].get(uuid, (0, 0))[0] + 1, event.eventData)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
