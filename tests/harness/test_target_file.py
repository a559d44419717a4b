"""Target files: what they say, what they refuse, and that no secret is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cli.target import TEMPLATE
from harness.errors import UsageError
from harness.target_file import Target, load_target
from simulator.scenario import load

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.faults import ChargerSpec

PLAIN = "version: 1\nname: theirs\napi: https://h/api/\nocpp: wss://h/{id}/ws\n"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds the bearer key."""
    monkeypatch.setenv("FIRMDRILL_API_KEY", "secret")


def target(tmp_path: Path, text: str) -> Target:
    """Load a target from text."""
    path = tmp_path / "t.yaml"
    path.write_text(text, encoding="utf-8")
    return load_target(path)


def chargers(count: int) -> list[ChargerSpec]:
    """A fleet of this size."""
    text = "{version: 1, name: x, firmware: {version: '2'}, fleet: [{cohort: a, count: %d}]}"
    return load(text % count).chargers(1)


def test_a_plain_target_is_judged_alone_and_as_published(tmp_path: Path) -> None:
    """Its chargers are ours: only the CSMS is under test, and it gets no extension fields."""
    found = target(tmp_path, PLAIN)
    address = found.address(chargers(1))
    assert (address.api, address.key) == ("https://h/api", "secret")
    assert address.charger_url("A") == "wss://h/A/ws"
    assert found.under_test == ("csms",)
    assert not found.extensions
    assert found.rename(chargers(2)) == chargers(2)


def test_the_virtual_fleet_takes_the_ids_that_the_system_knows(tmp_path: Path) -> None:
    """In order, by list or by pattern; too few are refused."""
    listed = target(tmp_path, PLAIN + "chargers: {ids: [X, Y, Z]}\n")
    assert [spec.id for spec in listed.rename(chargers(2))] == ["X", "Y"]
    with pytest.raises(UsageError, match="names 3 chargers, the scenario needs 4"):
        listed.rename(chargers(4))
    pattern = target(tmp_path, PLAIN + 'chargers: {pattern: "CP-{n:03}", first: 7}\n')
    assert [spec.id for spec in pattern.rename(chargers(2))] == ["CP-007", "CP-008"]


def test_secrets_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable is named; one password serves all, or a JSON object each."""
    found = target(tmp_path, PLAIN + "key_env: OTHER\nchargers: {password_env: PW}\n")
    with pytest.raises(UsageError, match="set OTHER"):
        found.address(chargers(1))
    monkeypatch.setenv("OTHER", "k")
    with pytest.raises(UsageError, match="set PW"):
        found.address(chargers(1))
    monkeypatch.setenv("PW", "same")
    assert found.address(chargers(2)).passwords == {"a-0001": "same", "a-0002": "same"}
    monkeypatch.setenv("PW", '{"a-0001": "own"}')
    assert found.address(chargers(2)).passwords == {"a-0001": "own"}
    monkeypatch.setenv("PW", "{broken")
    with pytest.raises(UsageError, match="PW is neither"):
        found.address(chargers(1))


def test_all_problems_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    """file:line:col, like a scenario's."""
    text = (
        "version: 1\napi: ftp://h\nocpp: wss://h\nnames: {paths: {read: /rollouts}}\nnonsense: 1\n"
    )
    with pytest.raises(UsageError) as caught:
        target(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    said = "\n".join(lines)
    for part in ("t.yaml:2:", "t.yaml:4:", "t.yaml:5:", "name", "needs {rollout_id}"):
        assert part in said


def test_unreadable_files_are_usage_errors(tmp_path: Path) -> None:
    """No traceback for a missing file, a folder or bytes that are no text."""
    for name in ("missing.yaml", "."):
        with pytest.raises(UsageError, match="cannot read"):
            load_target(tmp_path / name)
    with pytest.raises(UsageError):
        target(tmp_path, "version: [1\n")


def test_the_template_is_a_valid_target(tmp_path: Path) -> None:
    """`firmdrill target new` gives something to start from."""
    assert target(tmp_path, TEMPLATE.format(name="t.yaml")).chargers.pattern == "CP-{n:04}"
