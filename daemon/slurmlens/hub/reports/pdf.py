"""Prints a document as PDF: the one module that knows WeasyPrint.

Owns the refusal to fetch: whatever a document names (a user's text might), nothing is read from files or the network.
WeasyPrint comes with the extra `pdf`; without it, or without the system's Pango, SourceError says what is missing. The
same document is the same bytes where the fonts are the same: no date is written.
"""

from __future__ import annotations

from typing import Any, NoReturn

from slurmlens.errors import SourceError


def print_pdf(html: str) -> bytes:
    """The document as PDF, A4; SourceError where it cannot be printed on this machine."""
    try:
        from weasyprint import HTML  # late: 0.5 s and 40 MiB, for those who print
    except (ImportError, OSError) as error:
        raise SourceError(
            f"PDF needs WeasyPrint (pip install 'slurmlens[pdf]') and the system's Pango: {error}", reason="pdf"
        ) from error
    pdf: bytes = HTML(string=html, url_fetcher=_refuse).write_pdf()
    return pdf


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a report fetches nothing: {url[:80]}")
