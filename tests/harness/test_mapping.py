"""Other names for the same things: translated both ways, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.mapping import Names
from harness.world import Ok, Refused, Request, Unknown

THEIRS = Names(
    paths={
        "create": "/v2/campaigns",
        "read": "/v2/campaigns/{rollout_id}",
        "pause": "/v2/campaigns/{rollout_id}:hold",
        "fleet": "/v2/versions",
    },
    fields={"charger_ids": "stations", "rollout_id": "id", "site_id": "location"},
    statuses={"in_progress": "RUNNING"},
)


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        ("/firmware/rollout", "/v2/campaigns"),
        ("/firmware/rollout/r%201", "/v2/campaigns/r%201"),
        ("/firmware/rollout/r1/pause", "/v2/campaigns/r1:hold"),
        ("/firmware/rollout/r1/execute-stage", "/firmware/rollout/r1/execute-stage"),
        ("/fleet/firmware?site_id=a%20b&vendor=x", "/v2/versions?location=a%20b&vendor=x"),
        ("/chargers", "/chargers"),
    ],
)
def test_paths_follow_their_templates(path: str, theirs: str) -> None:
    """By operation; what is not named is called as published."""
    assert THEIRS.outgoing(Request("other", "GET", path)).path == theirs


def test_fields_are_renamed_going_out_and_coming_back() -> None:
    """Keys everywhere, values only where the key is `status`."""
    sent = THEIRS.outgoing(Request("create", "POST", "/firmware/rollout", {"charger_ids": ["A"]}))
    assert sent.body == {"stations": ["A"]}
    body = {"id": "r", "status": "RUNNING", "stages": [{"stations": ["RUNNING"], "label": "id"}]}
    assert THEIRS.incoming(Ok(200, body)) == Ok(
        200,
        {
            "rollout_id": "r",
            "status": "in_progress",
            "stages": [{"charger_ids": ["RUNNING"], "label": "id"}],
        },
    )
    assert THEIRS.incoming(Refused(409, {"id": 1})) == Refused(409, {"rollout_id": 1})
    assert THEIRS.incoming(Unknown("late")) == Unknown("late")


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(values)
def test_without_names_nothing_changes(body: Any) -> None:
    """A target that follows the published API is passed through untouched."""
    request = Request("read", "GET", "/firmware/rollout/r1", {"x": body})
    assert Names().outgoing(request) is request
    assert Names().incoming(Ok(200, body)) == Ok(200, body)
    assert THEIRS.incoming(Ok(200, None)).body is None
