"""The one collection of tables, on which every room of the hub registers its own.

Owns no table: `history.tables` and `scheduler.tables` do. Read by `migration`, which makes all of them.
"""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
