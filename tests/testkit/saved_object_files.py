"""What a file of saved objects must be whatever imports it; servers publish no schema of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

TYPES = {"index-pattern", "search", "visualization", "dashboard"}
ENVELOPE = {"id", "type", "attributes", "references", "migrationVersion"}
TEXTS = ("visState", "uiStateJSON", "panelsJSON", "optionsJSON", "fieldFormatMap")


def read(content: bytes) -> list[dict[str, Any]]:
    """The objects of a file, with their envelope, references and texts checked."""
    objects = [json.loads(line) for line in content.splitlines()]
    there = {(one["type"], one["id"]) for one in objects}
    assert len(there) == len(objects), "two objects have one id"
    for one in objects:
        assert set(one) == ENVELOPE
        assert one["type"] in TYPES
        assert one["attributes"]["title"]
        assert set(one["migrationVersion"]) == {one["type"]}
        names = [reference["name"] for reference in one["references"]]
        assert len(set(names)) == len(names)
        for reference in one["references"]:
            assert (reference["type"], reference["id"]) in there, reference
        for name in TEXTS:
            if name in one["attributes"]:
                json.loads(one["attributes"][name])
        if (source := source_of(one)) is not None:
            assert source["query"]["language"] == "lucene"
            assert source.get("indexRefName") in (None, *names)
        if one["type"] == "dashboard":
            _panels_stand_beside_each_other(json.loads(one["attributes"]["panelsJSON"]), names)
    return objects


def source_of(one: dict[str, Any]) -> dict[str, Any] | None:
    """What an object asks."""
    meta = one["attributes"].get("kibanaSavedObjectMeta")
    return None if meta is None else dict(json.loads(meta["searchSourceJSON"]))


def _panels_stand_beside_each_other(panels: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    assert sorted(panel["panelRefName"] for panel in panels) == sorted(names)
    places = [panel["gridData"] for panel in panels]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 48
    for one, other in itertools.combinations(places, 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_below, (one, other)
