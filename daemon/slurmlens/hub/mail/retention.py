"""Mails age by when something last became of them: what was sent, refused or given up long ago goes.

Longer than any schedule looks back, so that no report is made a second time. `database.retention` takes the steps.
"""

from __future__ import annotations

from slurmlens.hub.database.aged_rows import AgedRows
from slurmlens.hub.database.retention import AgingKind
from slurmlens.hub.mail.tables import mail_queue

KEPT_S = 500 * 86_400.0


def kind_of_mails() -> AgingKind:
    """The queue's rows."""
    return AgedRows("mails", mail_queue, "changed_ns", KEPT_S)
