"""A `tqdm` whose bar is also told to slurmlens: `from slurmlens.progress import tqdm` instead of, or after, tqdm's own.

Owns nothing but the subclass. Of nested bars the outermost is told. A bar that tqdm does not draw (`disable=True`) is
not told either. ImportError where the package tqdm is not installed.
"""

from __future__ import annotations

from typing import Any

from tqdm import tqdm as _tqdm

import slurmlens.progress as client


class reporting_tqdm(_tqdm):  # type: ignore[misc]  # noqa: N801  # it stands for tqdm
    """`tqdm.tqdm`, told whenever it is drawn anew."""

    def display(self, *arguments: Any, **options: Any) -> Any:
        """Draw the bar, and tell it."""
        self._tell()
        return super().display(*arguments, **options)

    def close(self) -> None:
        """The last word, which tqdm draws only where bars stay."""
        if not self.disable:
            self._tell()
        super().close()

    def _tell(self) -> None:
        if getattr(self, "pos", 0) == 0:
            client.report(self.n, self.total)
