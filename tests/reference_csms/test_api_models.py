"""Bytes become a request or one problem that lists everything wrong; nothing else happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_csms import api_models as models
from reference_csms.errors import Problem
from reference_csms.model import CreateRollout

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD: dict[str, Any] = {
    "charger_ids": ["CP-1"],
    "firmware_url": "https://x.example/f.bin",
    "strategy": "rolling",
}
PARSERS: list[Callable[[bytes], Any]] = [
    models.parse_create,
    models.parse_pause,
    models.parse_nothing,
    models.parse_chargers,
    models.parse_image,
    models.parse_call,
]
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
_fields = st.sampled_from([*models.RolloutBody.model_fields, "chargers", "reason", "payload"])
_bodies = (
    st.binary(max_size=60)
    | _json.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(_fields, _json).map(lambda some: json.dumps({**GOOD, **some}).encode())
)


@given(st.sampled_from(PARSERS), _bodies)
def test_any_bytes_are_a_request_or_a_422(parser: Callable[[bytes], Any], body: bytes) -> None:
    """No input raises anything but the 422, and it names a field and a problem each."""
    try:
        parser(body)
    except Problem as problem:
        listed = problem.members["errors"]
        good = listed and all(one["field"] and one["problem"] for one in listed)
        if problem.status != 422 or not good:
            pytest.fail(f"{problem.status} {listed}")


@pytest.mark.parametrize(
    ("written", "meant"), [("5", 5), ("5.0", 5), ("5e0", 5), ("null", None), ("-1", -1)]
)
def test_a_whole_number_may_be_written_as_any_number(written: str, meant: int | None) -> None:
    """The published API says number: 5.0 is 5; what is out of range is the service's to refuse."""
    body = json.dumps(GOOD)[:-1] + f', "batch_size": {written}}}'
    assert models.parse_create(body.encode()).batch_size == meant


def test_what_is_left_out_is_none() -> None:
    """Defaults are the service's business: absent and null say the same."""
    request = models.parse_create(json.dumps({**GOOD, "retries": None}).encode())
    assert request == CreateRollout(("CP-1",), "https://x.example/f.bin", "rolling")


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ('{"charge_point_id": "A", "vendor": "chargers"}', ["A"]),
        ('[{"charge_point_id": "A"}, {"charge_point_id": "B"}]', ["A", "B"]),
        ('{"chargers": [{"charge_point_id": "A"}]}', ["A"]),
    ],
)
def test_chargers_come_alone_or_in_lists(body: str, ids: list[str]) -> None:
    """Three ways to say it; a vendor of the name "chargers" confuses nobody."""
    assert [one.charge_point_id for one in models.parse_chargers(body.encode())] == ids


def test_an_empty_body_is_a_pause_without_a_reason() -> None:
    """The body of a pause may be left out, blank, or say null."""
    for body in (b"", b" \n", b"{}", b'{"reason": null}'):
        assert models.parse_pause(body) is None
    assert models.parse_pause(b'{"reason": "why"}') == "why"


def test_a_call_carries_only_what_json_can_say() -> None:
    """NaN and infinity, which some writers put into JSON, become null before they are checked."""
    call = models.parse_call(b'{"action": "X", "payload": {"a": NaN, "b": 1e999, "c": 1}}')
    assert call.payload == {"a": None, "b": None, "c": 1}


def test_many_problems_are_cut_but_counted() -> None:
    """A hundred thousand wrong ids make a body of a thousand lines, not of a hundred thousand."""
    body = json.dumps({**GOOD, "charger_ids": [1] * 3000}).encode()
    with pytest.raises(Problem) as caught:
        models.parse_create(body)
    assert len(caught.value.members["errors"]) == 1000
