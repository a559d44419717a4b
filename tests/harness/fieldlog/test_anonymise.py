"""Anonymising hides every name, gives the same one the same stand-in, and changes no verdict."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        ({"info": "mail joe@fw.acme-power.com"}, "power"),
        ({"location": "//joe:pw!1234@fw.acme-power.com/a/b.bin"}, "joe"),
        ({"location": "joe.doe:pw!1234@fw.acme-power.com/a/b.bin"}, "1234"),
        ({"info": "see 1ftp://joe:pw1234@fw.acme.com/a"}, "joe"),
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


SECRETS = {
    "id": "HARBOUR-7",
    "other": "Pier 4/East 2",
    "serial": "SN8837221",
    "tag": "04A1B2C3D4",
    "card": "JOAN DOE 1",
    "password": "hunter2-secret",
    "host": "fw.acme-energy.com",
    "path": "customer-doe",
    "mail": "doe@acme-energy.com",
}


def packed(value: str) -> str:
    """Return a text in Base64."""
    return base64.b64encode(value.encode()).decode()


def records() -> Iterator[dict[str, Any]]:
    """A trace with every secret in odd places, some before they can be known to be one."""
    s = SECRETS
    one, two = s["id"], s["other"]
    url = f"https://joe:{s['password']}@{s['host']}/{s['path']}/{one}/x.bin?b={packed(two)}"
    told = [
        (one, [2, "0", "StatusNotification", {
            "connectorId": 1, "errorCode": "NoError", "status": "Available",
            "info": f"tag {s['tag']}, SN={s['serial']} beside {two}, {s['card']}"}]),
        (one, [2, f"{one}_1", "BootNotification", {
            "chargePointVendor": "V", "chargePointModel": "M",
            "chargePointSerialNumber": s["serial"]}]),
        (one, [2, "2", "StartTransaction", {
            "connectorId": 1, "idTag": s["tag"], "meterStart": 0,
            "timestamp": "2026-01-01T00:00:00Z"}]),
        (one, [2, "3", "Authorize", {"idTag": s["card"]}]),
        (one, [4, "4", "InternalError", f"x{s['tag']}x {s['tag'].lower()} {packed(s['tag'])}", {
            s["tag"]: [[{"a": [two, s["card"].title(), quote(two, safe="")]}]],
            "basic": packed(f"{one}:{s['password']}"), "hex": s["serial"].encode().hex()}]),
        (two, [2, "5", "FirmwareStatusNotification", {"status": f"Bad_{s['serial']}"}]),
        (two, [2, "6", "LogStatusNotification", {"status": s["mail"], "url": f"at {s['host']}"}]),
        (two, [2, "7", "DataTransfer", {"vendorId": "v", "data": json.dumps(s)}]),
        (one, [2, "8", "UpdateFirmware", {"location": url, "retrieveDate": "2026-01-01"}]),
    ]  # fmt: skip
    for number, (charger, frame) in enumerate(told):
        yield {
            "chargePointId": charger, "raw": json.dumps(frame), "messageType": "CALL",
            "timestamp": f"2026-01-01T00:00:{number:02}Z",
            "direction": "csms-to-cp" if frame[1] == "8" else "cp-to-csms",
        }  # fmt: skip


def test_no_form_of_a_name_is_left_anywhere(tmp_path: Path) -> None:
    """Early, inside words, encoded, in a file's name: none in any file or on the screen."""
    log, folder = tmp_path / "acme-energy.jsonl", tmp_path / "r"
    lines = [json.dumps(record) for record in records()]
    log.write_text("\n".join([*lines, f'{{"direction": {SECRETS["tag"]}']) + "\n", encoding="utf-8")
    words = ["--report", str(folder), "--anonymise", "--scenario", str(tmp_path / "out.yaml")]
    done = CliRunner().invoke(main, ["import", str(log), *words])
    assert "imported 9 of 10 frames" in done.output
    assert "anon-charger-2" in (folder / "history.ndjson").read_text(encoding="utf-8")
    written = [
        path.read_text(encoding="utf-8") for path in (*folder.iterdir(), tmp_path / "out.yaml")
    ]
    for value in (*SECRETS.values(), "acme-energy"):
        forms = {value, quote(value, safe=""), packed(value).rstrip("="), value.encode().hex()}
        for form in forms:
            for text in (*written, done.output.replace(str(tmp_path), "")):
                assert form.lower() not in text.lower(), (value, form)


def test_ordinary_words_stay_although_somebody_is_called_so() -> None:
    """A tag of letters is a word only where it stands alone; a short one never cuts a number."""
    one = Anonymiser()
    one.event(frame({"idTag": "100"}))
    one.event(frame({"idTag": "Walter"}))
    payload = {"version": "1.100.3", "vendor": "Waltersen 3100", "at": "2026-01-01T00:00:00.100Z"}
    assert one.event(frame(payload)).data["frame"][3] == payload


@pytest.mark.parametrize("word", ["ab12", "a.", "1.2.", "a+", "-", "a@", "x@y."])
def test_a_long_word_is_looked_through_once(word: str) -> None:
    """A charger may say a megabyte without a space: that takes a moment, and not for ever."""
    begin = time.process_time()
    hidden({"info": word * (400_000 // len(word)) + "."})
    assert time.process_time() - begin < 10
