"""Views for Kibana and OpenSearch Dashboards ask for fields that are there, and each of their charts is computed."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
from aiohttp import ClientSession
from deploy.components.opensearch import OpenSearch

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.dashboards.line_fields import OF_2015
from slurmlens.hub.dashboards.saved_objects import saved_objects
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from slurmlens.hub.logs.query import JobOwner
from testkit import saved_object_files
from testkit.log_store_promises import KEEP_DAYS, line
from testkit.manual_clock import ManualClock

ASKED = {"date_histogram": {"fixed_interval": "1h"}, "terms": {}}


async def ask(server: OpenSearch, method: str, path: str, body: Any = None) -> Any:
    async with ClientSession() as session, session.request(method, server.url + path, json=body) as answer:
        assert answer.status in (200, 201), await answer.text()
        return await answer.json()


async def every_view_is_computed(server: OpenSearch, pattern: str, content: bytes) -> None:
    for one in saved_object_files.read(content):
        source = saved_object_files.source_of(one)
        if source is None or one["type"] == "dashboard":
            continue
        question: dict[str, Any] = {"query": {"query_string": {"query": source["query"]["query"]}}, "size": 1}
        fields = list(one["attributes"].get("columns", ()))
        for aggregation in json.loads(one["attributes"].get("visState", "{}")).get("aggs", ()):
            if aggregation["type"] == "count":
                continue
            kept = {name: aggregation["params"][name] for name in ("field", "size") if name in aggregation["params"]}
            asked = {aggregation["type"]: {**kept, **ASKED[aggregation["type"]]}}
            question.setdefault("aggs", {})[aggregation["id"]] = asked
            fields.append(kept["field"])
        for name in fields:
            capable = await ask(server, "GET", f"/{pattern}/_field_caps?fields={name}")
            assert name in capable["fields"], (one["id"], name)
        answer = await ask(server, "POST", f"/{pattern}/_search", question)
        assert answer["hits"]["hits"], one["id"]
        for number, found in answer.get("aggregations", {}).items():
            assert found["buckets"], (one["id"], number)


async def test_views_of_our_own_indices_are_computed_from_them(opensearch: OpenSearch) -> None:
    prefix = f"slurmlens-{uuid.uuid4().hex[:12]}"
    store = OpenSearchStore(SearchServerConfig(url=opensearch.url, index=prefix), KEEP_DAYS, ManualClock())
    lines = [line(number, "m", program=name, job_id=7) for number, name in enumerate(("slurmctld", "slurmd", "app"))]
    owner = JobOwner("alice", "project", "all")
    await store.append([(msgspec.structs.replace(one, kind="job_started"), owner) for one in lines])
    await store.close()
    await ask(opensearch, "POST", "/_refresh")
    await every_view_is_computed(opensearch, f"{prefix}-*", saved_objects(f"{prefix}-*"))


async def test_views_of_documents_of_2015_are_computed_from_them(opensearch: OpenSearch) -> None:
    name = f"logstash-{uuid.uuid4().hex[:12]}"
    for number, program in enumerate(("slurmctld", "slurmd", "slurm_out")):
        document = {
            "@timestamp": f"2015-05-09T10:00:{number:02}Z", "logsource": "n1", "program": program, "message": "m",
            "severity_label": "Informational", "slurm_jobid": "13", "slurm_user": "alice", "tags": ["syslog_out"],
        }  # fmt: skip
        await ask(opensearch, "PUT", f"/{name}-2015.05.09/_doc/{number}", document)
    await ask(opensearch, "POST", "/_refresh")
    await every_view_is_computed(opensearch, f"{name}-*", saved_objects(f"{name}-*", OF_2015))
