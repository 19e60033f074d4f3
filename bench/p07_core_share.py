"""P7: share of one core that the daemon takes with 200 jobs, at 1 Hz and at its default interval."""

from __future__ import annotations

from bench.default_state import default_state
from bench.result import Goal, Result, Row
from bench.setting import Setting
from bench.steady_state import campaign

AT_1_HZ = Row(
    "P7", "share of one core, 200 cgroups, 1 Hz", Goal(1.5, "< 1.5 %"), Goal(0.8, "< 0.8 %"), "one core", " %"
)
BY_DEFAULT = Row(
    "P7", "share of one core, 200 cgroups, default 10 s", Goal(0.3, "< 0.3 %"), Goal(0.1, "< 0.1 %"), "one core", " %"
)
ROWS = (AT_1_HZ, BY_DEFAULT)


def measure(setting: Setting) -> list[Result]:
    busy = campaign(setting)
    floor = sum(window.cpu_us for window in busy.loop) / 1e6 / sum(window.seconds for window in busy.loop)
    default = default_state(setting)
    share = default.cpu_us / 1e6 / default.seconds
    return [
        AT_1_HZ.measured(100 * busy.core_share, f"the bare C loop alone: {floor:.2%}"),
        BY_DEFAULT.measured(100 * share, f"over {default.seconds:.0f} s"),
    ]
