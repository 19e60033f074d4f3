"""The reference for a hub's work on a request: an aiohttp handler that reads the body and answers, nothing else.

Prints the port it listens on. Run as a process of its own, so that its CPU time can be told from the senders'.
"""

from __future__ import annotations

import resource
import sys

from aiohttp import web

ANSWER = b'{"accepted":1,"known":0,"refused":[],"profile_interval_s":300.0}'


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


async def announce(app: web.Application) -> None:
    print("ready", flush=True)


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    app = web.Application()
    app.router.add_post("/api/v1/events", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
