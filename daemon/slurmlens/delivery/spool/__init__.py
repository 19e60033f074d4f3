"""Holds batches on the disk until every sink has them: what was committed here outlives the daemon.

    batcher ─► Spool ─► sinks            spool     the queue: what is held and what gives way (limits)
                │                        writer    what is written when, and what a failing disk means
                │                        queue      one stream: order, cursors; index: its headers
                ▼ a thread of its own    disk      the thread; place: folder, lock, what was set aside
              SQLite                     store     the file
                                         ledger    what was given up, and why; unreported: while the disk takes nothing

Implements `flow.BatchQueue`. Events are committed as they come (one transaction for all that came during the last
one); metrics stay in memory and are written only while a sink is behind. `on_acknowledged` of a batch is called when it
is *committed*, so the dropbox may release its files then; while the disk takes nothing, or there is none, it is called
once every sink has the batch. Every line that gives way is counted exactly once (`ledger` says what that means across a
crash), and reported in the stream of events by a notice, of which at most one waits at a time.
"""

from slurmlens.delivery.spool.disk import Disk
from slurmlens.delivery.spool.limits import SpoolLimits
from slurmlens.delivery.spool.spool import Notice, Spool, SpoolState
from slurmlens.delivery.spool.store import DropKind, DropTotal

__all__ = ["Disk", "DropKind", "DropTotal", "Notice", "Spool", "SpoolLimits", "SpoolState"]
