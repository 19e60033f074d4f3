"""Every exception slurmlens raises on purpose.

The tree, by what the caller can do about it:

    SlurmlensError
    ├── ConfigError          a setting is wrong: fix the named file, line and key
    ├── DecodeError          bytes that are not what they claim to be: count, keep aside, go on
    │   └── UnsupportedVersion   well formed, but of a schema we do not speak
    ├── RefusedError         someone may not do what they asked for: answer 401 or 403, count
    ├── DeliveryError        a receiver did not take a batch; `retriable` says whether to try again
    ├── TransportError       a peer was not reached, or what came back is no answer; `reason` says how
    ├── DiscoveryError       Consul could not be asked, refused, or answered nonsense: go on with what is known
    ├── GalaxyError          Galaxy did not do what it was asked
    │   ├── GalaxyAway       no answer, so nothing is known of what happened: ask again
    │   └── GalaxyRefused    it said no
    ├── HubError             the hub gave no answer, or none that can be shown
    ├── GrafanaError         a Grafana gave no answer, or refused
    ├── PageError            an address has no such page: answer with its status, say what to do
    ├── SourceError          the scheduler could not be asked or answered nonsense
    ├── SpoolError           the spool's disk did not take or give what was asked of it: keep it in memory, try again
    ├── CampaignError        a campaign cannot go on as it is: another controller, a journal that does not fit
    │   └── JournalBusy      the journal's disk did not take an event: nothing was done, try again
    └── ReaderError          the cgroup reader could not open or read; carries `errno`

"Nothing there" (a counter file that this kernel lacks, a job without a cgroup) is a value, never an exception.
"""

from __future__ import annotations

from pathlib import Path


class SlurmlensError(Exception):
    """Root of the tree. `reason` is a short label from a bounded set, fit for a counter."""

    reason = "error"


class ConfigError(SlurmlensError):
    """A setting cannot be used. Names file, line and key where they are known, and says what to do."""

    reason = "config"

    def __init__(
        self, message: str, *, path: Path | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        where = ":".join(str(part) for part in (path, line) if part is not None)
        named = f"{key}: {message}" if key else message
        super().__init__(f"{where}: {named}" if where else named)
        self.path = path
        self.line = line
        self.key = key


class DecodeError(SlurmlensError):
    """Bytes that do not decode to the value expected. `reason` says which check failed."""

    def __init__(self, message: str, *, reason: str = "malformed") -> None:
        super().__init__(message)
        self.reason = reason


class UnsupportedVersion(DecodeError):
    """Well-formed input of a schema version that this release does not speak."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="version")


class RefusedError(SlurmlensError):
    """A peer did not prove who it is (`status` 401), or may not do what it asked for (403)."""

    def __init__(self, message: str, *, reason: str, status: int = 401) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


class DeliveryError(SlurmlensError):
    """A receiver did not take a batch. `wait_s` is how long it asked to be left alone at least."""

    def __init__(self, message: str, *, reason: str, retriable: bool = True, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retriable = retriable
        self.wait_s = wait_s


NO_TLS = "no_tls"
"""Reason of a TransportError where the peer speaks, but not TLS."""


class TransportError(SlurmlensError):
    """A peer was not reached, or what came back is no answer; whether it did what it was asked to is not known."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class DiscoveryError(SlurmlensError):
    """Consul could not be asked, refused, or answered nonsense; what was known before stays good."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class GalaxyError(SlurmlensError):
    """Galaxy did not do what it was asked."""

    reason = "galaxy"


class GalaxyAway(GalaxyError):
    """No answer came, or none that can be read: what was asked for may have happened, or happen yet."""

    reason = "galaxy_away"


class GalaxyRefused(GalaxyError):
    """Galaxy said no: a key that was revoked, a quota that is used up, something that is not there."""

    reason = "galaxy_refused"


class HubError(SlurmlensError):
    """The hub could not be asked, or answered something else; `status` is HTTP's where there was one."""

    reason = "hub"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class GrafanaError(SlurmlensError):
    """A Grafana did not answer, or refused; `status` is HTTP's where there was one."""

    reason = "grafana"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class PageError(SlurmlensError):
    """An address that cannot be answered as asked: `status` of HTTP, what happened, and `advice` on what to do."""

    def __init__(self, status: int, reason: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.advice = advice


class SourceError(SlurmlensError):
    """The scheduler could not be asked ("missing": its command is not there), or answered what cannot be read."""

    def __init__(self, message: str, *, reason: str = "source") -> None:
        super().__init__(message)
        self.reason = reason


class SpoolError(SlurmlensError):
    """The spool's file could not be opened, written or read; `reason` says what the matter is, from a closed list."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class CampaignError(SlurmlensError):
    """A campaign cannot go on as it is; the message says why and what to do."""

    reason = "campaign"


class JournalBusy(CampaignError):
    """The journal could not be written (disk full, read-only, locked); what was to be done has not been done."""

    reason = "journal"


class ReaderError(SlurmlensError):
    """The cgroup reader failed; `errno` is the kernel's."""

    reason = "reader"

    def __init__(self, message: str, *, errno: int) -> None:
        super().__init__(message)
        self.errno = errno
