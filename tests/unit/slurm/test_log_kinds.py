"""Every kind of line of Slurm's daemons, in the words of the releases that changed them.

The lines and what they mean stand in tests/fixtures/log_lines/slurm.txt: the first fifteen as 23.02 wrote them, the
others made from the wording of the releases' own logging calls.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.log_lines import JobMention
from slurmlens.slurm.job_mentions import first_mention
from slurmlens.slurm.log_kinds import KINDS, understand
from testkit.understood_lines import lines_of, meaning_of

SLUID = "s8AB01CDE23FGH"


LINES = lines_of("slurm.txt")


@pytest.mark.parametrize("text", LINES, ids=lambda text: text[:50])
def test_a_line_is_understood(text: str) -> None:
    assert meaning_of(understand(text)) == LINES[text]


def test_every_row_of_the_table_has_a_line() -> None:
    shown = {meaning.split(" | ")[0] for meaning in LINES.values()}
    assert {kind.name for kind in KINDS} == shown


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("prolog_running_decr: Configuration for JobId=8_2(17) is complete", JobMention(17, 8, 2)),
        ("JobId=10_* is held", JobMention(job_id=10, array_job_id=10)),
        ("JobId=Invalid is not known", None),
        ("JobId=CORRUPT", None),
        ("job 4 completed with slurm_rc = 0, job_rc = 9", JobMention(job_id=4)),
        (f"StepId={SLUID}.0 is there", JobMention(sluid=SLUID, step="0")),
        ("JobId=12 StepId=0 began", JobMention(job_id=12, step="0")),
        ("jobacct_gather plugin loaded", None),
        ("JobId=99999999999 is none", None),
    ],
)
def test_a_text_that_nobody_understands_still_names_its_job(text: str, job: JobMention | None) -> None:
    assert understand(text) is None or understand(text).job == job  # type: ignore[union-attr]
    assert first_mention(text) == job


@given(
    st.text(max_size=300)
    | st.sampled_from(list(LINES)).flatmap(lambda text: st.permutations(text.split()).map(" ".join))
)
def test_no_text_is_refused(text: str) -> None:
    understand(text)
    first_mention(text)
