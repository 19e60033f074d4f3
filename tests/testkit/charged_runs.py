"""Charges of made-up jobs, from what the scheduler says of them alone."""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.hub.usage.charges import RunCharge, charge_of
from slurmlens.slurm.records import JobRecord


def charged(record: JobRecord) -> RunCharge | None:
    """What the run that a record tells of is charged, without a history; None where it has not begun."""
    row = {
        "job_id": record.job_id,
        "number": 1 + (record.restart_count or 0),
        "state": record.state.value,
        "start_ns": None if record.start_s is None else record.start_s * NS_PER_S,
        "end_ns": None if record.end_s is None else record.end_s * NS_PER_S,
        "cpu_s": 1.5 * (record.job_id % 1000),
        "memory_peak_bytes": None,
        "node_count": len(record.nodes),
        **{name: getattr(record, name) for name in ("name", "user", "account", "partition")},
    }
    return charge_of(row, record)
