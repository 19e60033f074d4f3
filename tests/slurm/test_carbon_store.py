"""What is sent to the real carbon can be read back, through whisper files and /render, by the schemas that we ship."""

from __future__ import annotations

import re
import socket
import time

import pytest
from deploy.carbon import Carbon, schemas

from slurmlens.metrics import FIELD_INDEX, FIELDS, METRICS, Source, Tier
from testkit.checkout import ROOT
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm
SHIPPED = (ROOT / "etc/carbon/storage-schemas.conf").read_text()
PATH = "slurm.demo.nodes.compute0.slots.0"


def slow_pattern() -> re.Pattern[str]:
    found = re.search(r"\[slurm_slow\]\npattern = (.*)\n", SHIPPED)
    assert found is not None
    return re.compile(found[1])


def test_the_slow_schema_takes_exactly_the_metrics_that_are_read_in_the_slow_tier() -> None:
    slow = {
        metric.name
        for metric in METRICS
        if FIELDS[FIELD_INDEX[metric.field]].tier is Tier.SLOW or metric.source is Source.PROCESSES
    }
    assert {metric.name for metric in METRICS if slow_pattern().search(f"{PATH}.{metric.name}")} == slow


def test_points_sent_are_points_rendered_at_their_own_second(carbon: Carbon) -> None:
    now = int(time.time())
    sent = [[float(second), now - 20 + second] for second in range(20)]
    lines = "".join(f"{PATH}.cpu_cores {value} {epoch}\n" for value, epoch in sent)
    with socket.create_connection(("127.0.0.1", carbon.port)) as connection:
        connection.sendall(lines.encode())
    until_blocking(lambda: carbon.series("slurm.demo.**.cpu_cores") == [f"{PATH}.cpu_cores"], "carbon writes its file")
    rendered = carbon.render(f"{PATH}.cpu_cores", now - 21, now - 1)
    assert rendered[0]["datapoints"] == sent


def test_a_faster_interval_puts_a_finer_tier_before_the_shipped_ones() -> None:
    text = schemas(SHIPPED, {"slurm_fast": 1, "slurm_slow": 60})
    assert "retentions = 1s:6h,10s:1d,60s:30d,30m:2y" in text
    assert schemas(SHIPPED, {"slurm_fast": 10, "slurm_slow": 60}) == SHIPPED
