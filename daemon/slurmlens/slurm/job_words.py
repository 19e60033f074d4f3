"""What a job's own lines say of trouble, as a table with one row a kind: pure.

Owns the rows, in the words of the C library's error numbers and of the dynamic linker, which programs of all languages
pass on. They count only in lines that a job wrote itself, under its tag or from its cgroup; `hub.logs` sees to that.

To add a kind: one row, and one line in tests/unit/slurm/test_job_words.py. The shapes' language: `line_shapes`.
"""

from __future__ import annotations

from slurmlens.log_lines import LineFact
from slurmlens.slurm.line_shapes import first_fact, line_kind

KINDS = (
    line_kind("no_space", "No space left on device", "No space left on device"),
    line_kind("quota_exceeded", "Disk quota exceeded", "Disk quota exceeded"),
    line_kind("no_writing", "Read-only file system", "Read-only file system"),
    line_kind("stale_file", "Stale ", "Stale {file|NFS file} handle"),
    line_kind("input_output_error", "Input/output error", "Input/output error"),
    line_kind(
        "library_missing",
        "error while loading shared libraries",
        "<command>: error while loading shared libraries: <library>: <problem:rest>",
    ),
)


def understand(text: str) -> LineFact | None:
    """The fact in a job's own line; None where no row fits."""
    return first_fact(KINDS, text)
