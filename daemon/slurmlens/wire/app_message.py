"""What a process of a job says to the node daemon: one line of text a message; pure.

Owns the grammar of `docs/specs/app-socket.md` on the daemon's side (`slurmlens.progress`, the C header and the Fortran
module write it):

    1 [job=ID] [rank=N] progress DONE TOTAL|- [NAME=VALUE …]
    1 [job=ID] [rank=N] event TEXT
    1 [job=ID] [rank=N] step begin [interval=SECONDS] [notify=WORDS] [modules=LIST] [container=NAME] [tag=TEXT]
    1 [job=ID] [rank=N] step end
    1 [job=ID] [rank=N] step run STEP NAME
    1 [job=ID] [rank=N] step over STEP

Invariants: what is read is finite, bounded and printable; nothing but DecodeError is raised, with a reason of REASONS.
Who speaks is not in here: `job` is a claim that is only ever compared with what the kernel says. Fed by
`node.appsocket`.
"""

from __future__ import annotations

import enum
import math
import re

import msgspec

from slurmlens.errors import DecodeError

VERSION = "1"
MAX_MESSAGE_BYTES = 1024
MAX_EVENT_CHARS = 300
MAX_VALUES = 16
MAX_NUMBER = 1e18
MAX_RANK = 2**31 - 1
MAX_NAME_CHARS = 64
MAX_REQUEST_CHARS = 255
_REQUESTS = ("interval", "notify", "modules", "container", "tag")

REASONS = ("malformed", "version", "value", "name")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_COUNT = re.compile(r"\d{1,10}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class ToldProgress(msgspec.Struct, frozen=True):
    """How far a process is: `done` of `total` (None: it does not know), and named values of its own."""

    done: float
    total: float | None
    values: dict[str, float]


class ToldEvent(msgspec.Struct, frozen=True):
    """Something that a process wants to be on the time line."""

    text: str


class StepWord(enum.Enum):
    """What a hook of tasks or of srun says of a step: it begins here, a task of it has ended, srun starts it, srun is
    done with it."""

    BEGIN = "begin"
    END = "end"
    RUN = "run"
    OVER = "over"


class ToldStep(msgspec.Struct, frozen=True):
    """A word of a hook. `step` and `command` come from srun, which runs in another step than the one it is about."""

    word: StepWord
    step: str | None = None
    command: str | None = None
    interval: str | None = None
    notify: str | None = None
    modules: str | None = None
    container: str | None = None
    tag: str | None = None


class AppMessage(msgspec.Struct, frozen=True):
    """One message; `claimed_job` is what the speaker takes its job to be, `rank` which task of the step it says it
    is."""

    told: ToldProgress | ToldEvent | ToldStep
    claimed_job: int | None = None
    rank: int | None = None


def decode(line: bytes) -> AppMessage:
    """The message in one datagram, a newline at its end or not; DecodeError for anything else."""
    try:
        text = line.decode("utf-8").rstrip("\n")
    except UnicodeDecodeError as error:
        raise DecodeError("not UTF-8") from error
    version, _, rest = text.partition(" ")
    if version != VERSION:
        if version.isdecimal():
            raise DecodeError(f"version {version[:10]}, this daemon reads {VERSION}", reason="version")
        raise DecodeError("no message")
    claims: dict[str, int] = {}
    word, _, rest = rest.partition(" ")
    while (claim := word.partition("="))[1]:
        if claim[0] not in ("job", "rank") or claim[0] in claims or not _COUNT.fullmatch(claim[2]):
            raise DecodeError(f"{word[:40]!r} before what is reported")
        claims[claim[0]] = int(claim[2])
        word, _, rest = rest.partition(" ")
    if claims.get("rank", 0) > MAX_RANK:
        raise DecodeError("a rank that no task has", reason="value")
    if word == "progress":
        told: ToldProgress | ToldEvent | ToldStep = _progress(rest.split())
    elif word == "event":
        told = _event(rest)
    elif word == "step":
        told = _step(rest)
    else:
        raise DecodeError(f"{word[:40]!r} is neither progress, nor event, nor step")
    return AppMessage(told, claims.get("job"), claims.get("rank"))


def _progress(words: list[str]) -> ToldProgress:
    if len(words) < 2:
        raise DecodeError("progress needs DONE and TOTAL")
    done = _number(words[0])
    total = None if words[1] == "-" else _number(words[1])
    if done < 0 or (total is not None and total <= 0):
        raise DecodeError("done is not negative, a total is more than 0", reason="value")
    if len(words) - 2 > MAX_VALUES:
        raise DecodeError(f"{len(words) - 2} named values, at most {MAX_VALUES}", reason="name")
    values: dict[str, float] = {}
    for word in words[2:]:
        name, _, value = word.partition("=")
        if not _NAME.fullmatch(name):
            raise DecodeError(f"{name[:40]!r} is no name: letters, digits, '_', '.' and '-', at most 32", reason="name")
        values[name] = _number(value)
    return ToldProgress(done, total, values)


def _event(text: str) -> ToldEvent:
    shown = _UNPRINTABLE.sub(" ", text).strip()
    if not shown:
        raise DecodeError("an event without a text")
    return ToldEvent(shown[:MAX_EVENT_CHARS])


def _step(text: str) -> ToldStep:
    word, _, rest = text.partition(" ")
    try:
        said = StepWord(word)
    except ValueError as error:
        raise DecodeError(f"{word[:40]!r} is no word of a hook's") from error
    if said is StepWord.END:
        return ToldStep(said)
    if said is StepWord.BEGIN:
        return _begun(rest)
    step, _, command = rest.partition(" ")
    if not _COUNT.fullmatch(step):
        raise DecodeError(f"{step[:40]!r} is no step of srun's")
    return ToldStep(said, step=step, command=_shown(command, MAX_NAME_CHARS) if said is StepWord.RUN else None)


def _begun(rest: str) -> ToldStep:
    """Requests in their order; the tag is the user's own text and goes to the end."""
    asked: dict[str, str] = {}
    while rest:
        key, _, after = rest.partition("=")
        if key not in _REQUESTS or key in asked:
            raise DecodeError(f"{key[:40]!r} is nothing that a step may ask for")
        value, _, rest = (after, "", "") if key == "tag" else after.partition(" ")
        asked[key] = _shown(value, MAX_REQUEST_CHARS) or ""
    return ToldStep(StepWord.BEGIN, **{key: value for key, value in asked.items() if value})


def _shown(text: str, most_chars: int) -> str | None:
    return _UNPRINTABLE.sub(" ", text).strip()[:most_chars] or None


def _number(word: str) -> float:
    try:
        value = float(word) if "_" not in word and word.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_NUMBER:
        raise DecodeError(f"{word[:40]!r} is no number", reason="value")
    return value
