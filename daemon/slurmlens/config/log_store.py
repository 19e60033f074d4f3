"""Settings of where the hub keeps log lines (its own files, or a search server), and of the series made of them.

Part of `config.hub`. Read by `hub.logs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, setting

INDEX_PATTERN = r"[a-z0-9][a-z0-9._-]{0,99}\*?"
INDEX_TEXT = "small letters, digits, '.', '_' and '-'; with read_only a '*' may end it"


class SearchServerConfig(Settings):
    """OpenSearch 2 and 3, or Elasticsearch 7 and 8, for `[logs] store = "opensearch"`."""

    url: str = setting(
        "http://127.0.0.1:9200", "where it answers", pattern=r"https?://[^/\s]+/?", pattern_text="http(s)://HOST:PORT"
    )
    index: str = setting(
        "slurmlens-logs",
        "what names of daily indices begin with (slurmlens-logs-2026.11.30); with read_only, which are searched",
        pattern=INDEX_PATTERN,
        pattern_text=INDEX_TEXT,
    )
    read_only: bool = setting(
        False, 'search what somebody else writes there, such as Logstash (index = "logstash-*"), and take no lines'
    )
    replicas: int = setting(0, "copies of each daily index on other machines", minimum=0, maximum=10)
    timeout_s: float = setting(30.0, "an answer that takes longer is an error", minimum=1, maximum=600)
    user: str | None = setting(None, "who the hub is there", example='"slurmlens"')
    password_file: Path | None = setting(
        None, "file with that user's password", example='"/etc/slurmlens/opensearch.password"'
    )
    ca_file: Path | None = setting(
        None, "certificates that its own is signed by, where not the system's", example='"/etc/slurmlens/ca.pem"'
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.index.endswith("*") and not self.read_only:
            yield "index", "a '*' stands for indices that are searched only: set read_only = true, or leave it out"
        if self.user is not None and self.password_file is None:
            yield "password_file", "is needed beside user"


class LogSeriesConfig(Settings):
    """Series that rules make of log lines."""

    rules: Path = setting(
        Path("/etc/slurmlens/log-rules.toml"), "the file of rules; docs/logs.md says what stands in it"
    )
    late_s: float = setting(
        300.0,
        "lines that come so late are still counted in the interval of their own time, whose point is sent again",
        minimum=0,
        maximum=86_400,
    )
    host: str = setting("127.0.0.1", "carbon's host, or a relay's that keeps points while carbon is away")
    port: int = setting(2003, "its port for the plaintext protocol", minimum=1, maximum=65_535)
