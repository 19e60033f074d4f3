"""Checks what could keep a hub from starting although its settings are well formed; changes nothing.

Called by `hub.main` before it opens anything, and by `slurmlens validate`: both name the key and the remedy, which the
library that would meet the trouble later does not.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.access import AccessConfig
from slurmlens.config.database_url import DRIVERS, server_of, sqlite_path
from slurmlens.config.hub import HubConfig
from slurmlens.errors import ConfigError
from slurmlens.hub.access.authenticating import read_secret
from slurmlens.hub.logs.rules import examine_rules
from slurmlens.runtime.listen_check import listening_problems

SQLITE_HEAD = b"SQLite format 3\0"
CONNECT_TIMEOUT_S = 3.0
_URL = "database.url"


def hub_problems(config: HubConfig) -> list[ConfigError]:
    """All that is wrong, as far as this machine and this user can see it."""
    return [
        *database_problems(config.database.url),
        *listening_problems(config.listen, config.auth),
        *proxy_problems(config.access),
        *log_problems(config),
    ]


def log_problems(config: HubConfig) -> Iterator[ConfigError]:
    """What is wrong with the rules that make series of lines, and with what a search server is asked with."""
    if config.log_series is not None:
        yield from examine_rules(config.log_series.rules)[1]
    password_file = config.logs.opensearch.password_file
    if config.logs.store == "opensearch" and password_file is not None and not os.access(password_file, os.R_OK):
        yield ConfigError(f"{password_file} cannot be read", key="logs.opensearch.password_file")


def proxy_problems(access: AccessConfig | None) -> Iterator[ConfigError]:
    """Why the proxy's secret could not be compared with what comes."""
    if access is not None and access.proxy is not None and access.proxy.secret_file is not None:
        try:
            read_secret(access.proxy.secret_file)
        except ConfigError as error:
            yield error


def database_problems(url: str) -> Iterator[ConfigError]:
    """Why the database could not be opened."""
    driver = DRIVERS[url.partition("://")[0]]
    if importlib.util.find_spec(driver) is None:
        yield ConfigError(f"the driver {driver} is not installed: pip install {driver}", key=_URL)
    path, server = sqlite_path(url), server_of(url)
    problem = None if path is None else _file_problem(path)
    if server is not None:
        problem = _server_problem(server.host, server.port)
    if problem:
        yield ConfigError(problem, key=_URL)


def _file_problem(path: Path) -> str | None:
    try:
        if path.is_dir():
            return f"{path} is a folder: name a file in it"
        if path.exists():
            return _existing_file_problem(path)
        folder = next(one for one in path.parents if one.exists())
        if not folder.is_dir():
            return f"{folder} is no folder, so {path} cannot be made"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{path} is not there, and this user may not make it in {folder}: give the folder to it"
    except OSError as error:
        return f"{path} cannot be looked at ({error.strerror}): check owner and mode of its folders"
    return None


def _existing_file_problem(path: Path) -> str | None:
    if not path.is_file():
        return f"{path} is no ordinary file"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"this user may not read and write {path}: check its owner and mode"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"this user may not write the folder {path.parent}, where the database's log must lie"
    with path.open("rb") as opened:
        head = opened.read(len(SQLITE_HEAD))
    return None if head in (b"", SQLITE_HEAD) else f"{path} is no SQLite database: name another file, or move it away"


def _server_problem(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S).close()
    except socket.gaierror as error:
        return f"{host!r} does not resolve ({error.strerror}): write the database server's name or address"
    except OSError as error:
        return f"nobody answers at {host}:{port} ({error.strerror or error}): does the database server run there?"
    return None
