"""Every kind of trouble that a job's own lines tell, in the words of programs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.slurm.job_words import KINDS, understand

LINES = {
    "OSError: [Errno 28] No space left on device: '/scratch/out.h5'": "no_space",
    "cp: error writing 'x': Disk quota exceeded": "quota_exceeded",
    "touch: cannot touch '/out/x': Read-only file system": "no_writing",
    "open /home/alice/in: Stale file handle": "stale_file",
    "ls: .: Stale NFS file handle": "stale_file",
    "read(3): Input/output error": "input_output_error",
    "./gemm: error while loading shared libraries: libmpi.so.40: cannot open shared object file: No such file": (
        "library_missing"
    ),
}


@pytest.mark.parametrize("text", LINES, ids=LINES.values())
def test_a_line_is_understood(text: str) -> None:
    fact = understand(text)
    assert fact is not None
    assert fact.kind == LINES[text]


def test_every_row_of_the_table_has_a_line() -> None:
    assert {kind.name for kind in KINDS} == set(LINES.values())


@given(st.text(max_size=200))
def test_no_text_is_refused(text: str) -> None:
    understand(text)
