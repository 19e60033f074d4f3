"""The forms of an answer: a page, JSON, a table; compressed where the asker takes that."""

from __future__ import annotations

import msgspec
from aiohttp import web


def html_answer(text: str) -> web.Response:
    """A page."""
    response = web.Response(text=text, content_type="text/html")
    response.enable_compression()
    return response


def json_answer(value: object) -> web.Response:
    """Any value as JSON."""
    return bytes_answer(msgspec.json.encode(value) + b"\n")


def bytes_answer(body: bytes) -> web.Response:
    """JSON as it was made."""
    response = web.Response(body=body, content_type="application/json")
    response.enable_compression()
    return response


def csv_answer(text: str, file_name: str) -> web.Response:
    """A table to be saved."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    response = web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)
    response.enable_compression()
    return response
