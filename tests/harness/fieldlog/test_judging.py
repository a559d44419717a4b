"""A field log is judged as far as it goes: nobody is accused of what it does not show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.run_record import ExitCode
from harness.verdict import Verdict
from tests.harness.fieldlog.reading import SAMPLES, SHARED, Read, read, read_text

if TYPE_CHECKING:
    from pathlib import Path

OK = {"currentTime": "2026-01-01T00:00:00Z", "interval": 60, "status": "Accepted"}
BOOT = {"chargePointVendor": "v", "chargePointModel": "m", "firmwareVersion": "1"}
UPDATE = {"location": "https://x.example/a.bin", "retrieveDate": "2026-01-01T00:00:00Z"}


def steve(*said: tuple[float, str, list[Any] | str], charger: str = "cp") -> str:
    """Return a SteVe log: (seconds, R or S or a link, frame or raw text)."""
    lines = []
    for at, way, frame in said:
        clock = f"2026-01-01 {int(at // 3600):02}:{int(at % 3600 // 60):02}:{at % 60:06.3f}"
        words = {"R": "Received: ", "S": "Sending: "}.get(way, way)
        text = frame if isinstance(frame, str) else json.dumps(frame)
        lines.append(
            f"[INFO ] {clock.replace('.', ',')} de.rwth.idsg.steve.ocpp.ws.WebSocketLogger "
            f"(qtp-1) - [chargeBoxId={charger}, sessionId=s1] {words}{text}"
        )
    return "\n".join(lines) + "\n"


def status(number: int, name: str) -> list[Any]:
    """Return a firmware status."""
    return [2, f"f{number}", "FirmwareStatusNotification", {"status": name}]


def judged(folder: Path, *said: tuple[float, str, list[Any] | str]) -> Read:
    """Import a SteVe log of these lines."""
    return read_text(folder, steve(*said))


WHOLE = (
    (0.0, "R", [2, "b", "BootNotification", BOOT]),
    (0.1, "S", [3, "b", OK]),
    (1.0, "S", [2, "u", "UpdateFirmware", UPDATE]),
    (1.1, "R", [3, "u", {}]),
)  # fmt: skip


@pytest.mark.parametrize("kept", ["Received:", "Sending:"])
def test_a_log_of_one_side_accuses_nobody_of_what_it_leaves_out(kept: str, tmp_path: Path) -> None:
    """Answers to CALLs that it does not hold, and CALLs whose answers it does not."""
    whole = (SAMPLES / "steve.log").read_text("utf-8").splitlines(keepends=True)
    one_sided = [line for line in whole if kept in line or "Connection" in line]
    assert sum(kept in line for line in one_sided) == 8
    seen = read_text(tmp_path, "".join(one_sided))
    assert seen.review().verdict != "FAIL"
    assert [seen.result(name).findings for name in ("W04", "W09")] == [(), ()]


def test_who_is_never_answered_may_have_been_heard_too_soon(tmp_path: Path) -> None:
    """A log that holds both sides shows that nobody had accepted it."""
    boot, beat = [2, "b", "BootNotification", BOOT], [2, "h", "Heartbeat", {}]
    for last in ([], [(1.0, "S", [3, "h", OK])]):
        seen = judged(tmp_path, (0.0, "R", boot), (0.5, "R", beat), *last)
        (finding,) = seen.result("W09").findings
        assert finding.witness.seen == "Heartbeat before the first accepted boot"


def test_a_sound_update_is_a_pass() -> None:
    """The story of all samples breaks nothing, and what it tested is said."""
    seen = read(SAMPLES / "steve.log")
    review = seen.review()
    assert (review.verdict, review.exit_code) == ("PASS", ExitCode.PASSED)
    assert seen.result("C01").verdict is Verdict.PASS
    assert seen.result("C07").exercised
    assert (review.counts.chargers, review.counts.installed) == (1, 1)


def test_what_only_an_operator_shows_stays_inconclusive() -> None:
    """No log holds the requests to a rollout API."""
    seen = read(SAMPLES / "steve.log")
    for requirement in ("R01", "R13", "R18", "L01"):
        try:
            result = seen.result(requirement)
        except KeyError:
            continue
        assert result.verdict is Verdict.INCONCLUSIVE
        assert not result.exercised


def test_statuses_that_were_never_reported_accuse_the_charger() -> None:
    """The worked example: Downloading and Downloaded are missing."""
    seen = read(SAMPLES / "microocpp.log")
    assert seen.accused == {("C01", "charger")}
    assert seen.review().exit_code is ExitCode.FAILED


def test_a_log_that_begins_in_the_middle_accuses_nobody_of_the_beginning(tmp_path: Path) -> None:
    """No boot, an answer to an unseen CALL, the end of an unseen update."""
    seen = judged(
        tmp_path,
        (0.0, "S", [3, "zz", {}]),
        (0.5, "R", status(1, "Installing")),
        (0.6, "S", [3, "f1", {}]),
        (9.0, "R", status(2, "Installed")),
        (9.1, "S", [3, "f2", {}]),
        (10.0, "S", [2, "u", "UpdateFirmware", UPDATE]),
    )
    assert seen.accused == set()
    assert seen.result("W04").verdict is Verdict.INCONCLUSIVE
    assert seen.result("C01").verdict is Verdict.INCONCLUSIVE


def test_a_log_that_begins_with_a_boot_may_begin_within_an_update(tmp_path: Path) -> None:
    """The reboot into the new firmware is the first line: Installed is no lie."""
    seen = judged(
        tmp_path, *WHOLE[:2], (2.0, "R", status(1, "Installed")), (2.1, "S", [3, "f1", {}])
    )
    assert seen.accused == set()


def test_the_csms_is_named_where_it_goes_on_talking_and_never_answers(tmp_path: Path) -> None:
    """An answer that never comes, on a line that works."""
    beats = [
        part
        for n in range(10)
        for part in (
            (10.0 + 5 * n, "R", [2, f"h{n}", "Heartbeat", {}]),
            (10.1 + 5 * n, "S", [3, f"h{n}", {"currentTime": "2026-01-01T00:00:00Z"}]),
        )
    ]
    seen = judged(tmp_path, *WHOLE, (2.0, "R", status(1, "Downloading")), *beats)
    assert ("W04", "csms") in seen.accused


def test_the_network_is_named_where_one_side_falls_silent(tmp_path: Path) -> None:
    """The charger goes on calling and nothing comes back any more, not one answer."""
    calls = [(10.0 + 40 * n, "R", [2, f"h{n}", "Heartbeat", {}]) for n in range(4)]
    seen = judged(tmp_path, *WHOLE, *calls)
    assert {who for rule, who in seen.accused if rule == "W04"} == {"network"}


def test_a_log_that_ends_too_early_settles_nothing(tmp_path: Path) -> None:
    """An open CALL at the end of a log is nobody's fault."""
    seen = judged(tmp_path, *WHOLE, (2.0, "R", status(1, "Downloading")))
    assert seen.result("W04").verdict is Verdict.INCONCLUSIVE
    assert seen.accused == set()


@pytest.mark.parametrize(
    "lost",
    ['[2,"f1","FirmwareStatusNotification",{"status":"Downloading"', "[2,", '[2,"f1"'],
)
def test_a_damaged_status_excuses_the_next_one(tmp_path: Path, lost: str) -> None:
    """What stood in the damaged line may have been the status that is missing."""
    whole = judged(tmp_path, *WHOLE, (5.0, "R", status(2, "Installing")))
    assert ("C01", "charger") in whole.accused
    seen = judged(tmp_path, *WHOLE, (2.0, "R", lost), (5.0, "R", status(2, "Installing")))
    assert seen.accused == set()
    assert seen.summary.damaged == 1
    assert seen.problems[0][0] == 5


def test_a_damaged_heartbeat_excuses_no_status(tmp_path: Path) -> None:
    """Where the head of a damaged frame says what it was, the rest of the story stands."""
    seen = judged(
        tmp_path,
        *WHOLE,
        (2.0, "R", '[2,"m","MeterValues",{"connectorId":1 "meterValue":[]}]'),
        (2.1, "S", [3, "m", {}]),
        (5.0, "R", status(2, "Installing")),
    )
    assert ("C01", "charger") in seen.accused
    assert ("W04", "csms") not in seen.accused
    assert seen.problems == [(5, "not JSON: Expecting ',' delimiter (column 213)")] or (
        seen.problems[0][0] == 5 and "not JSON" in seen.problems[0][1]
    )


def test_a_log_without_times_is_judged_by_its_order_only(tmp_path: Path) -> None:
    """Two open CALLs in a row accuse nobody if nobody knows how long the first was open."""
    lines = (
        '[MO] Send: [2,"1","Authorize",{"idTag":"a"}]\n[MO] Send: [2,"2","Authorize",'
        '{"idTag":"a"}]\n[MO] Recv: [3,"1",{"idTagInfo":{"status":"Accepted"}}]\n'
    )
    seen = read_text(tmp_path, lines)
    assert seen.summary.clock == "none"
    assert seen.accused == set()


MICRO = SHARED / "field-logs" / "microocpp-issue-261.log"
TRACES = SHARED / "open-ocpp-trace"


@pytest.mark.skipif(not MICRO.exists(), reason="the public log is not in ../shared/data")
def test_the_public_microocpp_log_is_too_short_to_accuse() -> None:
    """Real data: it ends before a status had to come."""
    assert read(MICRO).accused == set()


@pytest.mark.skipif(not TRACES.exists(), reason="the traces are not in ../shared/data")
@pytest.mark.parametrize(
    ("name", "accused"),
    [
        ("normal-session", set()),
        ("station-offline", set()),
        ("orphan-response", set()),
        ("slow-csms-response", set()),
        ("unresponsive-csms", {("W09", "charger")}),  # it went on without its boot's answer
        ("diagnostics-failure", {("W01", "charger")}),  # a status that OCPP does not have
    ],
)
def test_public_traces_accuse_whom_they_should(name: str, accused: set[Any]) -> None:
    """Real data: sound sessions pass, and the two with a fault name the side."""
    assert read(TRACES / f"{name}.jsonl").accused == accused


def test_a_witness_names_the_lines_of_the_log() -> None:
    """Whoever has the log open finds the place."""
    (finding,) = read(SAMPLES / "microocpp.log").result("C01").findings
    assert [step.text.split(":")[0] for step in finding.witness.steps] == ["line 6", "line 12"]
