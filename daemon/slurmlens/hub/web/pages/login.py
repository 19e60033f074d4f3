"""Logging in and out of the hub with a browser, and who one is there.

Fed by `access.control`. A link is made for whoever proves himself by MUNGE or on the hub's socket (`slurmlens login`);
opening it once gives the browser a session as a cookie that scripts cannot read. Where a proxy knows its users nobody
needs a link.
"""

from __future__ import annotations

import socket

import jinja2
from aiohttp import web

from slurmlens.config.hub import HubListenConfig
from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl, Admitted, RuledAccess
from slurmlens.hub.access.viewer import Way
from slurmlens.hub.views.login import LoginLink, WhoAmI
from slurmlens.hub.web.answers import html_answer, json_answer
from slurmlens.hub.web.navigation import PageLook, looking_at
from slurmlens.hub.web.session import COOKIE, HOW_TO_LOG_IN, admit, admitted_of, session_of

NAMES_NO_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104  # nothing is bound here
MAKE_LINKS = frozenset({Way.MUNGE, Way.SOCKET})


class LoginPage:
    """Everything about sessions."""

    def __init__(self, control: AccessControl, environment: jinja2.Environment, listen: HubListenConfig) -> None:
        self._control = control
        self._listen = listen
        self._template = environment.get_template("login/page.html")

    async def show(self, request: web.Request) -> web.Response:
        """`GET /login`: who one is, or how to become somebody. Open to all."""
        try:
            admitted = await admit(self._control, request)
        except PageError as error:
            return html_answer(self._template.render(who=None, problem=error.message, advice=HOW_TO_LOG_IN))
        looking_at.set(PageLook(admitted.viewer, request.path))
        return html_answer(self._template.render(who=_who(admitted), problem=None, advice=None))

    async def who_am_i(self, request: web.Request) -> web.Response:
        """`GET /whoami.json`."""
        return json_answer(_who(admitted_of(request)))

    async def make_link(self, request: web.Request) -> web.Response:
        """`POST /api/v1/login-links`: a link for whoever proves himself without a browser."""
        person = admitted_of(request).person
        ruled = self._ruled()
        if person is None or person.way not in MAKE_LINKS:
            raise PageError(403, "way", "A link is made for the command line alone", HOW_TO_LOG_IN)
        token = await ruled.tokens.make_link(person.name)
        link = LoginLink(f"/login/{token}", self._address(ruled), person.name, ruled.settings.link_s)
        return json_answer(link)

    async def use_link(self, request: web.Request) -> web.Response:
        """`GET /login/TOKEN`: makes a session of the link. Open to all; looking ahead (HEAD) uses nothing up."""
        ruled = self._ruled()
        if request.method == "HEAD":
            return web.Response()
        session = await ruled.tokens.use_link(request.match_info["token"])
        if session is None:
            message = "This link was used already, or its time is over"
            raise PageError(403, "link", message, HOW_TO_LOG_IN)
        answer = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        answer.set_cookie(
            COOKIE,
            session,
            max_age=round(ruled.settings.session_s),
            httponly=True,
            samesite="Lax",
            secure=self._listen.is_tls,
            path="/",
        )
        return answer

    async def leave(self, request: web.Request) -> web.Response:
        """`POST /logout`: the session is none from now on."""
        ruled, session = self._ruled(), session_of(request)
        if session is not None:
            await ruled.tokens.end_session(session)
        answer = web.Response(status=303, headers={"Location": "/login"})
        answer.del_cookie(COOKIE, path="/")
        return answer

    def _ruled(self) -> RuledAccess:
        if self._control.ruled is None:
            advice = "Open /jobs: whoever is on the hub's machine sees everything while there is no [access]."
            raise PageError(404, "no_rules", "Nobody logs in here", advice)
        return self._control.ruled

    def _address(self, ruled: RuledAccess) -> str:
        if ruled.settings.web_address is not None:
            return ruled.settings.web_address.rstrip("/")
        listen = self._listen
        host = next(iter(listen.names), socket.getfqdn() if listen.host in NAMES_NO_HOST else listen.host)
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if listen.is_tls else 'http'}://{host}:{listen.port}"


def _who(admitted: Admitted) -> WhoAmI:
    person, viewer = admitted
    return WhoAmI(
        who=viewer.who,
        roles=tuple(sorted(role.value for role in viewer.roles)),
        accounts=tuple(sorted(viewer.accounts)),
        sees_all_jobs=viewer.sees_all_jobs,
        way=None if person is None else person.way.value,
    )
