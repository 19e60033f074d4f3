"""The images of the stack, as Containerfiles: what each installs and runs. Pure: a table, text out.

All are built from a base of Debian 12 that `debootstrap` makes on this machine (`images.py`), for no image registry is
asked; `pulled` says what a site with one takes instead. What is not packaged by Debian (Consul, OpenSearch, Neo4j,
graphite-web) is copied from the cache that `make components` fills.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = "localhost/slurmlens-base:bookworm"
PREFIX = "localhost/slurmlens-"
TREE = "/opt/slurmlens"


@dataclass(frozen=True)
class Image:
    """One image: `packages` of Debian, `copies` from the build's context; `entry` there is the entry script."""

    name: str
    pulled: str
    packages: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    runs: tuple[str, ...] = ()
    user: str = "root"


def _own_user(name: str, folder: str) -> str:
    """Makes a user without rights who owns the folder; a volume there is his, for an engine takes over its owner."""
    return f"useradd --system --no-create-home --home-dir {folder} {name} && install -d -o {name} -g {name} {folder}"


IMAGES: tuple[Image, ...] = (
    Image(
        "slurm",
        "none is official: a site's own, or this one",
        ("munge", "slurmctld", "slurmdbd", "slurm-client", "slurm-wlm-mysql-plugin"),
        (("entry", "/entry"),),
    ),
    Image("mariadb", "docker.io/library/mariadb:10.11", ("mariadb-server",), (("entry", "/entry"),), user="mysql"),
    Image(
        "node",
        "none: it holds a site's Slurm",
        ("munge", "slurmd", "slurm-client", "python3", "bsdutils", "procps"),
        (("tree", TREE), ("entry", "/entry")),
    ),
    Image(
        "hub",
        "none",
        ("munge", "slurm-client", "python3"),
        (("tree", TREE), ("entry", "/entry")),
    ),
    Image(
        "graphite",
        "docker.io/graphiteapp/graphite-statsd:1.1.10-5",
        ("python3", "libcairo2"),
        (("graphite", "/opt/graphite"), ("entry", "/entry")),
        (_own_user("graphite", "/var/lib/graphite"),),
        user="graphite",
    ),
    Image(
        "consul",
        "docker.io/hashicorp/consul:1.22",
        (),
        (("consul", "/usr/local/bin/consul"), ("entry", "/entry")),
        (_own_user("consul", "/var/lib/consul"),),
        user="consul",
    ),
    Image("postgresql", "docker.io/library/postgres:15", ("postgresql",), (("entry", "/entry"),), user="postgres"),
    Image(
        "opensearch",
        "docker.io/opensearchproject/opensearch:2.19.1",
        ("default-jre-headless",),
        (("opensearch", "/opt/opensearch"), ("entry", "/entry")),
        (_own_user("opensearch", "/var/lib/opensearch"),),
        user="opensearch",
    ),
    Image(
        "neo4j",
        "docker.io/library/neo4j:5.26-community",
        ("default-jre-headless",),
        (("neo4j", "/opt/neo4j"), ("entry", "/entry")),
        (_own_user("neo4j", "/var/lib/neo4j"),),
        user="neo4j",
    ),
    Image(
        "logstash",
        "docker.elastic.co/logstash/logstash:8.19.1",
        (),
        (("lumber", "/usr/local/bin/lumber"), ("entry", "/entry")),
        (_own_user("logstash", "/var/lib/logstash"),),
        user="logstash",
    ),
)


def image(name: str) -> Image:
    """The image of that name."""
    return next(one for one in IMAGES if one.name == name)


def containerfile(one: Image) -> str:
    """The text of its Containerfile."""
    lines = [f"# {one.name} of slurmlens' stack; a site with a registry takes: {one.pulled}", f"FROM {BASE}"]
    if one.packages:
        packages = " ".join(one.packages)
        lines.append(
            "RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
            f" {packages} && rm -rf /var/lib/apt/lists/*"
        )
    lines += [f"RUN {command}" for command in one.runs]
    lines += [f"COPY {source} {target}" for source, target in one.copies]
    lines += [f"USER {one.user}"] if one.user != "root" else []
    return "\n".join([*lines, 'ENTRYPOINT ["/entry"]', ""])
