"""`make components`: fetches and builds what is not in the cache yet; quick and silent when all is there.

A component that cannot be had is named with the reason, and the tests that need it skip; with SLURMLENS_REQUIRE_ALL set
it is a failure.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from deploy import install
from deploy.components import consul, elasticsearch, go_carbon, grafana_types, kafka, lumber, neo4j, opensearch
from deploy.errors import DeployError

FETCHES: dict[str, Callable[[], object]] = {
    "go-lumber": lumber.program,
    "Kafka": kafka.libraries,
    "Neo4j": neo4j.libraries,
    "OpenSearch": opensearch.program,
    "Elasticsearch": elasticsearch.program,
    "Consul": consul.program,
    "go-carbon": go_carbon.program,
    "Grafana's types": grafana_types.checker,
}
WORTH_SAYING_S = 0.5


def main() -> int:
    lacking = 0
    for name, fetch in {"Debian packages": _packages, **FETCHES}.items():
        began = time.monotonic()
        try:
            fetch()
        except DeployError as error:
            lacking += 1
            print(f"{name} is not to be had here, its tests are skipped: {error}", file=sys.stderr, flush=True)
        elapsed_s = time.monotonic() - began
        if elapsed_s > WORTH_SAYING_S:
            print(f"{name}: {elapsed_s:.0f} s", flush=True)
    return 1 if lacking and os.environ.get("SLURMLENS_REQUIRE_ALL") else 0


def _packages() -> None:
    if lacking := install.missing(install.COMPONENT_PACKAGES):
        print(f"installing Debian packages for the components: {' '.join(lacking)}", flush=True)
        install.install(lacking)


if __name__ == "__main__":
    sys.exit(main())
