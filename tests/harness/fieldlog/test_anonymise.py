"""Anonymising hides every name, gives the same one the same stand-in, and changes no verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.checkers import judge
from harness.cli import main
from harness.fieldlog.anonymise import Anonymiser
from harness.history import Event, encode
from harness.rehearsal import rehearse
from simulator.scenario import load
from tests.harness.fieldlog.reading import SAMPLES

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"


def frame(payload: dict[str, Any], action: str = "X") -> Event:
    """Return a CALL of a charger."""
    data = {"frame": [2, "Berlin-7/0001", action, payload]}
    return Event(0, 0.0, "charger:Berlin-7", "send", action, "Berlin-7/0001", data)


def hidden(payload: dict[str, Any], action: str = "X") -> Any:
    """Return a payload without names."""
    return Anonymiser().event(frame(payload, action)).data["frame"][3]


@pytest.mark.parametrize(
    ("payload", "secret"),
    [
        ({"idTag": "04A1B2C3"}, "04A1B2C3"),
        ({"idToken": {"idToken": "04A1B2C3", "type": "ISO14443"}}, "04A1B2C3"),
        ({"chargePointSerialNumber": "SN-99"}, "SN-99"),
        ({"location": "ftp://joe:pw1234@fw.acme.com/a/b.bin?key=zz"}, "joe"),
        ({"location": "ftp://joe:pw1234@fw.acme.com/a/b.bin?key=zz"}, "acme"),
        ({"location": "ftp://joe:pw1234@fw.acme.com/a/b.bin?key=zz"}, "zz"),
        ({"key": "AuthorizationKey", "value": "hunter2hunter2"}, "hunter2"),
        ({"variable": {"name": "BasicAuthPassword"}, "attributeValue": "hunter2"}, "hunter2"),
        ({"configurationKey": [{"key": "WifiPassword", "value": "hunter2"}]}, "hunter2"),
        ({"info": "mail joe@acme.com about 10.1.2.3"}, "acme"),
        ({"info": "mail joe@acme.com about 10.1.2.3"}, "10.1.2.3"),
        ({"info": "this is Berlin-7 speaking"}, "Berlin"),
        ({"csr": "-----BEGIN CERTIFICATE REQUEST-----"}, "BEGIN"),
    ],
)
def test_secrets_and_names_are_gone(payload: dict[str, Any], secret: str) -> None:
    """Wherever it stands, and the message id with it."""
    event = Anonymiser().event(frame(payload))
    text = encode(event).decode()
    assert secret not in text
    assert "Berlin" not in text


def test_a_free_text_of_datatransfer_is_hidden() -> None:
    """Nobody knows what vendors put there."""
    assert "secret" not in json.dumps(hidden({"vendorId": "v", "data": "secret"}, "DataTransfer"))


def test_what_is_needed_stays() -> None:
    """Vendors, versions, statuses, dates and the end of a file's name."""
    payload = {"firmwareVersion": "1.2.3", "status": "Installed", "vendor": "Acme Box",
               "at": "2026-01-01T00:00:00Z", "location": "https://fw.acme.com/x/y.bin"}  # fmt: skip
    out = hidden(payload)
    assert out.pop("location").endswith(".bin")
    assert out == {key: payload[key] for key in out}


@given(st.lists(st.sampled_from(["a-tag", "b-tag", "c-tag"]), min_size=2, max_size=20))
def test_the_same_value_has_the_same_name(tags: list[str]) -> None:
    """Equal before, equal after; different before, different after."""
    one = Anonymiser()
    names = [one.event(frame({"idTag": tag})).data["frame"][3]["idTag"] for tag in tags]
    assert [names.index(name) for name in names] == [tags.index(tag) for tag in tags]


@pytest.mark.parametrize("name", ["smoke", "download-cut", "statuses-missing"])
def test_a_drill_is_judged_as_before(name: str) -> None:
    """Ids, URLs and paths stay consistent across requests, frames and the server's log."""
    drill = rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
    one = Anonymiser()
    header = one.header(drill.header)
    again = judge(header, [one.event(event) for event in drill.history.events])
    assert {r.requirement.id: (r.verdict, r.exercised, len(r.findings)) for r in again.results} == {
        r.requirement.id: (r.verdict, r.exercised, len(r.findings)) for r in drill.judgement.results
    }


def test_an_import_can_be_anonymised_at_once(tmp_path: Path) -> None:
    """No file of the report holds a name of the log."""
    folder = tmp_path / "r"
    done = CliRunner().invoke(
        main,
        ["import", str(SAMPLES / "steve.log"), "--report", str(folder), "--anonymise", "-q"],
    )
    assert done.exit_code == 0
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "K7-00412" not in text
        assert "images.example.org" not in text
    assert "K7-00412" not in done.output
