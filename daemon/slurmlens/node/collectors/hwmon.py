"""Sensors: temperatures, power, fans, alarms: `/sys/class/hwmon` (kernel: hwmon/sysfs-interface).

A sensor is named after its chip, where two chips have one name also after the device, and by its label. What a broken
sensor says (a text, 2^32 - 1, 1000 degrees) makes no figure. GPUs' own sensors are left to the GPU process.
"""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample

FOLDER = "sys/class/hwmon"
_GPUS = frozenset(("amdgpu", "nouveau", "radeon"))
_KINDS = {"temp": ("input", "temperature_celsius"), "power": ("average", "power_watts"), "fan": ("input", "fan_rpm")}
_LEAST_MILLIDEGREES, _MOST_MILLIDEGREES = -100_000, 250_000
_MOST = {"power": 100_000_000_000, "fan": 100_000}


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    chips = look.files.names(FOLDER)
    names = {chip: (look.files.text(f"{FOLDER}/{chip}/name") or chip).strip() for chip in chips}
    several = list(names.values())
    for chip, name in names.items():
        if name in _GPUS:
            continue
        device = look.files.target(f"{FOLDER}/{chip}/device").rpartition("/")[2]
        yield from _chip(look, chip, f"{name}-{device or chip}" if several.count(name) > 1 else name)


def _chip(look: MachineLook, chip: str, name: str) -> Iterator[Sample]:
    for entry in look.files.names(f"{FOLDER}/{chip}"):
        sensor, _, what = entry.rpartition("_")
        kind = sensor.rstrip("0123456789")
        if kind not in _KINDS:
            continue
        wanted, figure = _KINDS[kind]
        if what == wanted:
            value = look.files.number(f"{FOLDER}/{chip}/{entry}")
            if value is not None and _is_possible(kind, value):
                yield Sample(figure, _sensor_name(look, chip, name, sensor), value)
        elif what in ("alarm", "crit_alarm"):
            raised = look.files.number(f"{FOLDER}/{chip}/{entry}")
            if raised in (0, 1):
                yield Sample("alarm_count", f"{_sensor_name(look, chip, name, sensor)} {what}", raised)


def _sensor_name(look: MachineLook, chip: str, name: str, sensor: str) -> str:
    label = (look.files.text(f"{FOLDER}/{chip}/{sensor}_label") or sensor).strip()
    return f"{name} {label}"


def _is_possible(kind: str, value: int) -> bool:
    if kind == "temp":
        return _LEAST_MILLIDEGREES < value < _MOST_MILLIDEGREES
    return 0 <= value <= _MOST[kind]
