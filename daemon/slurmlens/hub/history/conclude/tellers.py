"""Who reported what of a job's identity, out of a sighting's events: pure.

Owns the bytes of `sightings.tellers`. The start, the summary and the end that count each report an identity; which of
them is believed is decided when it is read, so that it does not matter in which order they came. Written by
`record.sighting_fold`; read by `run_rows`.
"""

from __future__ import annotations

import msgspec

from slurmlens.events import JobIdentity, merged_identity

_IDENTITY_FIELDS = tuple(name for name in JobIdentity.__struct_fields__ if name != "job_id")
_encoder = msgspec.json.Encoder()


class Teller(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event's word on the job, and its place among others of its kind."""

    boottime_ns: int
    id: str
    job: JobIdentity


class Tellers(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The start, summary and end that count. What the summary and the end report alike the start is not kept twice."""

    start: Teller | None = None
    summary: Teller | None = None
    end: Teller | None = None


_decoder = msgspec.json.Decoder(Tellers)


def encode_tellers(told: Tellers) -> bytes:
    """As they are stored."""
    return _encoder.encode(told_once(told))


def decode_tellers(tellers: bytes) -> Tellers:
    """As they were stored."""
    return _decoder.decode(tellers)


def identity_told(tellers: bytes) -> JobIdentity | None:
    """What was reported of the job, field by field, the start first: an Epilog's restart count misleads."""
    told = _decoder.decode(tellers)
    tellers_in_order = (told.start, told.summary, told.end)
    known = [teller.job for teller in tellers_in_order if teller]
    if not known:
        return None
    first, nothing = known[0], JobIdentity(known[0].job_id)
    known = [first, *(job for job in known[1:] if job != nothing)]  # most say what the first one said
    return first if len(known) == 1 else merged_identity(known)


def told_once(told: Tellers) -> Tellers:
    """Without what the summary and the end repeat of the start."""
    if told.start is None:
        return told
    return Tellers(told.start, _less(told.summary, told.start.job), _less(told.end, told.start.job))


def _less(teller: Teller | None, known: JobIdentity) -> Teller | None:
    if teller is None:
        return None
    job = teller.job
    if job == known:
        return Teller(teller.boottime_ns, teller.id, JobIdentity(job.job_id))
    differing = {
        name: value
        for name in _IDENTITY_FIELDS
        if (value := getattr(job, name)) is not None and value != getattr(known, name)
    }
    return Teller(teller.boottime_ns, teller.id, JobIdentity(job.job_id, **differing))
