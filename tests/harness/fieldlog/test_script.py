"""From log to scenario: the virtual charger does what the one in the log did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.errors import UsageError
from harness.fieldlog.script import fitted, scenario_of
from harness.rehearsal import Rehearsal, rehearse
from simulator.scenario import Scenario, built, dump, load
from simulator.units import write_duration
from tests.harness.fieldlog.reading import SAMPLES, read, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from harness.history import Event

REPORTS = {"FirmwareStatusNotification", "SignedFirmwareStatusNotification"}
QUICK = {"network": {"connect_after": "0 s"}, "install": {"time": "20 s", "reboot": "10 s"}}
ODD: dict[str, dict[str, Any]] = {
    "sound": {},
    "failing download": {"download": {"fail": [{"share": 1.0, "status": 503, "times": None}],
                                      "reports_each_attempt": True}},
    "retried download": {"download": {"fail": [{"share": 1.0, "status": 503, "times": 1}],
                                      "reports_each_attempt": True}},
    "stalled download": {"download": {"stall_timeout": "10 h", "fail": [
        {"share": 1.0, "stall": {"at": "50 %"}, "times": None}]}},
    "failing install": {"install": {"time": "5 s", "fail": [{"share": 1.0, "how": "fails"}]}},
    "hanging install": {"install": {"time": "5 s", "fail": [{"share": 1.0, "how": "hangs"}]}},
    "bricked": {"install": {"time": "5 s", "fail": [{"share": 1.0, "how": "bricked"}]}},
    "early": {"install": {"time": "5 s", "reboot": "9 s", "installed_before_reboot": True}},
    "broken line": {"network": {"connect_after": "0 s", "fail": [
        {"share": 1.0, "disconnect": "FirmwareStatusNotification", "skip": 0}]}},
}  # fmt: skip
QUIRKS = (
    "skips_downloading", "skips_downloaded", "skips_installing", "only_installed", "never_reports",
    "duplicates_status", "swaps_statuses", "late_status", "spontaneous_idle", "answers_late",
    "never_answers", "answers_callerror", "rejects", "rejects_but_updates", "omits_version",
    "keeps_version", "no_reboot",
)  # fmt: skip
NEW_QUIRKS = ("no_request_id", "wrong_request_id")


def drill(**cohort: Any) -> Rehearsal:
    """Rehearse an update of one charger."""
    fields = {
        "version": 1,
        "name": "original",
        "firmware": {"version": "2.0.0", "size": "1 MB"},
        "fleet": [{"cohort": "c", "count": 1, "ocpp": "ocpp1.6", **QUICK, **cohort}],
        "operator": [
            {"create": {"strategy": "all_at_once", "retries": 2, "retry_interval": "5 s",
                        "update_timeout": "5 min"}},
            "execute_stage",
            {"wait": {"status": "terminal", "within": "10 min"}},
        ],
        "heal": {"within": "10 min"},
        "expect": {"exercises": ["R35"]},
    }  # fmt: skip
    return rehearse(built(fields))


def told(done: Rehearsal) -> list[str]:
    """Return what the charger said of its update, and how it answered the command."""
    said = []
    for event in done.history.events:
        frame = event.data.get("frame")
        if event.kind != "send" or not isinstance(frame, list):
            continue
        if event.name in REPORTS and frame[0] == 2:
            said.append(f"{frame[3]['status']} {'requestId' in frame[3]}")
        elif event.name in {"UpdateFirmware", "SignedUpdateFirmware"}:
            said.append(f"answer {frame[0]}")
        elif event.name == "BootNotification":
            inner = frame[3].get("chargingStation", frame[3])
            said.append("boot" if "firmwareVersion" in inner else "boot without a version")
    return said


def accused(done: Rehearsal) -> set[str]:
    """Return the properties of chargers that the drill breaks."""
    return {
        result.requirement.id
        for result in done.judgement.results
        for finding in result.findings
        if finding.subject == "charger" and result.requirement.id != "C05"  # needs a server's log
    }


def again(done: Rehearsal) -> Rehearsal:
    """Make a scenario of a drill's frames and rehearse that."""
    seen: list[Event] = [event for event in done.history.events if event.source != "operator"]
    made = scenario_of(seen, name="a drill")
    assert load(dump(made)) == made
    return rehearse(made)


@pytest.mark.parametrize("name", ODD)
def test_a_fate_is_repeated(name: str) -> None:
    """Failures, hangs, breaks and times: the same words in the same order."""
    first = drill(**ODD[name])
    assert told(again(first)) == told(first)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_deviation_is_repeated(quirk: str) -> None:
    """What a charger left out, said twice or answered wrongly it does again, and is accused."""
    first = drill(quirks=[quirk])
    second = again(first)
    assert told(second) == told(first)
    assert accused(second) >= accused(first)


@pytest.mark.parametrize("quirk", NEW_QUIRKS)
def test_a_deviation_of_newer_versions_is_repeated(quirk: str) -> None:
    """OCPP 2.0.1 has request ids to get wrong."""
    first = drill(quirks=[quirk], ocpp="ocpp2.0.1")
    second = again(first)
    assert told(second) == told(first)
    assert accused(second) >= accused(first) != set()


def test_times_are_those_of_the_log() -> None:
    """SteVe's sample downloads for 34 s; so does the virtual charger."""
    seen = read(SAMPLES / "steve.log")
    done = rehearse(scenario_of(seen.events, name="steve.log"))
    times = {
        event.data["frame"][3]["status"]: event.time
        for event in done.history.events
        if event.name in REPORTS and event.kind == "send" and event.data["frame"][0] == 2
    }
    assert times["Downloaded"] - times["Downloading"] == pytest.approx(34.0, abs=2.0)
    assert times["Installed"] - times["Installing"] == pytest.approx(55.0, abs=5.0)


def test_many_chargers_become_cohorts_with_fitted_times(tmp_path: Path) -> None:
    """Two products, one of them failing for one in four; scaled to 400."""
    lines = []
    for number in range(8):
        last = "DownloadFailed" if number in {3, 7} else "Downloaded"
        model = "One" if number < 4 else "Two"
        for step, (way, frame) in enumerate(_story(model, last, 10 + number)):
            at = frame.pop()
            lines.append(
                (at, step, f"2026-01-01 00:00:00,000 cp-{number}: {way} {json.dumps(frame)}")
            )
    text = "\n".join(
        line.replace("00:00:00,000", f"00:{int(at) // 60:02}:{int(at) % 60:02},000")
        for at, _, line in sorted(lines)
    )
    seen = read_text(tmp_path, text + "\n")
    assert seen.summary.chargers == 8
    made = scenario_of(seen.events, name="x", chargers=400)
    assert sum(cohort.count for cohort in made.fleet) == 400
    assert len(made.fleet) == 2
    assert {failure.share for c in made.fleet for failure in c.download.fail} == {0.25}
    kinds = {type(cohort.download.rate).__name__ for cohort in made.fleet}
    assert kinds == {"Uniform"}
    specs = made.chargers()
    assert sum(bool(spec.download_faults) for spec in specs) == 100


def _story(model: str, last: str, took: int) -> list[tuple[str, list[Any]]]:
    boot = {"chargePointVendor": "V", "chargePointModel": model, "firmwareVersion": "1"}
    update = {"location": "https://x/y", "retrieveDate": "2026-01-01T00:00:00Z"}
    ok = {"status": "Accepted", "interval": 9, "currentTime": "2026-01-01T00:00:00Z"}
    said = [2, "f1", "FirmwareStatusNotification", {"status": "Downloading"}]
    ended = [2, "f2", "FirmwareStatusNotification", {"status": last}]
    return [
        ("receive message", [2, "b", "BootNotification", boot, 0]),
        ("send", [3, "b", ok, 1]),
        ("send", [2, "u", "UpdateFirmware", update, 2]),
        ("receive message", [3, "u", {}, 3]),
        ("receive message", [*said, 4]),
        ("send", [3, "f1", {}, 5]),
        ("receive message", [*ended, 4 + took]),
        ("send", [3, "f2", {}, 5 + took]),
    ]


def test_fitted_distributions_load() -> None:
    """One value, a few, many."""
    assert fitted([2.0, 2.0], write_duration) == "2 s"
    assert fitted([1.0, 3.0], write_duration) == {"uniform": ["1 s", "3 s"]}
    many = fitted([1.0, 2.0, 3.0, 4.0, 50.0], write_duration)
    assert many == {"lognormal": {"median": "3 s", "p95": "50 s"}}


def test_a_log_without_an_update_is_no_scenario() -> None:
    """Nothing to rehearse, and said so."""
    with pytest.raises(UsageError, match="told to update"):
        scenario_of([], name="x")


def test_the_worked_example_from_log_to_scenario(tmp_path: Path) -> None:
    """The log is red; the scenario runs, and shows the same finding again."""
    runner = CliRunner()
    out = tmp_path / "out.yaml"
    log = str(SAMPLES / "microocpp.log")
    words = ["import", log, "--charge-point-id", "mullein-7", "--report", str(tmp_path / "r")]
    first = runner.invoke(main, [*words, "--scenario", str(out)])
    assert first.exit_code == 1
    scenario: Scenario = load(out.read_text(encoding="utf-8"))
    assert scenario.fleet[0].quirks == ("skips_downloading", "skips_downloaded")
    assert scenario.expect.violates == ("C01",)
    assert (tmp_path / "scenario.schema.json").exists()
    run = ["run", str(out), "--virtual", "--report", str(tmp_path / "run"), "--json"]
    second = runner.invoke(main, run)
    assert second.exit_code == 0
    said = json.loads(second.stdout)
    (line,) = [e for e in said["expectations"] if e["name"] == "violates"]
    assert line["met"]
    assert "C01 broken by 1" in second.stderr
