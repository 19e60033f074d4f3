"""Tells the hub how a campaign goes, beside the controller: a hub that is away or slow keeps nothing waiting.

Owns one thread and the newest view that was not sent yet; older ones are left out, for each view is whole. What was not
taken is offered again with the next look; `close` waits a little for the last one. Fed by the command's loop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from slurmlens.campaign.fold import State
from slurmlens.campaign.view import campaign_view
from slurmlens.errors import HubError
from slurmlens.wire.campaign_view import CampaignView, encode_campaign

LAST_WAIT_S = 5.0
AGAIN_S = 60.0
"""The hub is told that the controller lives, though nothing changed."""

Send = Callable[[str, bytes], None]
"""Sends a campaign's JSON, by its name; HubError where the hub did not take it."""


class HubCopy:
    """The hub's copy of one campaign; without `send` it does nothing."""

    def __init__(
        self, send: Send | None, last_wait_s: float = LAST_WAIT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._clock = clock
        self._offered_s = 0.0
        self._last_wait_s = last_wait_s
        self._changed = threading.Condition()
        self._next: CampaignView | None = None
        self._ends = False
        self._told: tuple[int, str | None] | None = None
        self._problem: str | None = None
        self._thread: threading.Thread | None = None

    def offer(self, state: State, trouble: str | None) -> None:
        """Has the hub told of this state, where it is new; never waits."""
        if self._send is None:
            return
        told, now_s = (state.events, trouble), self._clock()
        if told == self._told and self._problem is None and now_s < self._offered_s + AGAIN_S:
            return
        self._told, self._offered_s = told, now_s
        view = campaign_view(state, trouble=trouble)
        with self._changed:
            self._next = view
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(self._send,), daemon=True, name="hub")
            self._thread.start()

    def close(self) -> str | None:
        """Waits a little for the last view; why it was not taken, or None."""
        if self._thread is None:
            return None
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(self._last_wait_s)
        return "it has not answered yet" if self._thread.is_alive() else self._problem

    def _work(self, send: Send) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._ends)
                view, self._next = self._next, None
            if view is None:
                return
            try:
                send(view.name, encode_campaign(view))
                self._problem = None
            except HubError as error:
                self._problem = str(error)
