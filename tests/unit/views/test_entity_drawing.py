"""The band of a node's states: its axis is the window, and for a node that is younger its whole life."""

from __future__ import annotations

import pytest

from slurmlens.hub.views.entity.view import EntityView, StateView
from slurmlens.hub.web.entity_drawing import WIDTH, draw_entity


@pytest.mark.parametrize(("known_from_ns", "begins_ns"), [(900, 900), (0, 100)])
def test_the_axis_begins_with_the_window_or_with_the_first_that_is_known(known_from_ns: int, begins_ns: int) -> None:
    state = StateView(word="idle", tone="good", told="IDLE", from_ns=known_from_ns, to_ns=None)
    view = EntityView(
        cluster="demo",
        kind="node",
        name="n1",
        made_ns=1000,
        at_ns=1000,
        since_ns=100,
        sentence="",
        is_known=True,
        states=(state,),
    )
    drawn = draw_entity(view)
    assert drawn.since_ns == begins_ns
    assert [(one.x, one.width) for one in drawn.states] == [(0.0, WIDTH)]
