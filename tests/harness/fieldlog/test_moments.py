"""Times as logs write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fieldlog.moments import UnknownZone, dated, seconds, zone

MOMENT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-14T15:09:26Z", "2026-03-14T15:09:26.000Z", "2026-03-14 15:09:26,000",
        "2026/03/14 15:09:26", "2026-03-14T15:09:26.000000000Z", "2026-03-14T17:09:26+02:00",
        "2026-03-14 15:09:26 UTC", "Mar 14 15:09:26", str(MOMENT), str(MOMENT * 1000), MOMENT,
        str(int(MOMENT * 1e6)), str(int(MOMENT * 1e9)), int(MOMENT * 1e9),
    ],
)  # fmt: skip
def test_one_moment_in_many_words(text: str | float) -> None:
    """ISO in all its dialects, syslog without its year, seconds down to nanoseconds."""
    assert seconds(text, UTC, 2026) == MOMENT


def test_a_time_without_a_zone_is_read_in_the_given_one() -> None:
    """The same words, an hour apart."""
    words = "2026-03-14 15:09:26"
    assert seconds(words, zone("+01:00")) == MOMENT - 3600
    assert seconds(words, zone("America/New_York")) == MOMENT + 4 * 3600
    assert not dated(words)
    assert dated("2026-03-14T15:09:26Z")


@given(st.text(max_size=40))
def test_anything_is_a_time_or_none(text: str) -> None:
    """No text crashes, and no time lies before 1970 by its number."""
    found = seconds(text, UTC, 2026)
    assert found is None or isinstance(found, float)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2090, 1, 1)))  # noqa: DTZ001
def test_what_python_writes_is_read_back(moment: datetime) -> None:
    """To the microsecond."""
    there = seconds(moment.isoformat() + "Z")
    assert there == pytest.approx(moment.replace(tzinfo=UTC).timestamp(), abs=1e-6)


@pytest.mark.parametrize("name", ["Mars", "+99:00", "../etc/passwd", ""])
def test_an_unknown_zone_is_refused(name: str) -> None:
    """With the ways to write one."""
    with pytest.raises(UnknownZone, match="Europe/Berlin"):
        zone(name)


def test_milliseconds_that_spell_a_date_are_no_date() -> None:
    """Python reads 1773121510412 as 04:12 on the fifteenth of December 1773."""
    assert seconds("1773121510412") == 1_773_121_510.412
    assert dated("1773121510412")
    assert seconds("20260314") == datetime(2026, 3, 14, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        10**400, -(10**400), "1" + "0" * 400, "NaN", "Infinity", -5, "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59.9999999Z",
        "1969-12-31T23:59:59Z", "2026-03-14T22:00:00+99:99", "2026-03-14T25:00:00Z",
    ],
)  # fmt: skip
def test_what_no_log_can_have_been_written_at_is_no_time(text: str | float) -> None:
    """Clocks that were never set, and numbers and years that no date can hold."""
    assert seconds(text) is None
