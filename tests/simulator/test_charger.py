"""A charger boots, updates, fails and comes back as the protocol wants it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import effects, wire
from simulator.charger import Charger
from simulator.faults import DownloadFault, InstallFault, Window
from simulator.firmware import TABLES, legal
from tests.simulator.lab import START, Lab, spec

DIALECTS = [("ocpp1.6", False), ("ocpp1.6", True), ("ocpp2.0.1", False), ("ocpp2.1", False)]


@pytest.mark.parametrize(("ocpp", "signed"), DIALECTS)
def test_a_good_update_walks_the_whole_way(ocpp: str, signed: bool) -> None:
    """Download, install, reboot, boot with the new version, and only then Installed."""
    lab = Lab(ocpp=ocpp, signed=signed).boot()
    answer = lab.update()
    assert isinstance(answer, wire.CallResult)
    lab.run(120.0)
    expected = ["Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed"]
    if ocpp == "ocpp1.6" and not signed:
        expected.remove("InstallRebooting")
    if signed:
        expected.insert(2, "SignatureVerified")
    assert lab.statuses() == expected
    boots = lab.calls("BootNotification")
    versions = [str(payload) for _, payload in boots]
    assert len(boots) == 2
    assert "1.0.0" in versions[0]
    assert "2.0.0" in versions[1]
    kinds = [kind for _, kind, _ in lab.log if kind in {"open", "close"}]
    assert kinds == ["open", "close", "open"]


def test_the_boot_after_an_update_says_so() -> None:
    """OCPP 2.x names the reason of the boot (B01.FR.09)."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.update()
    lab.run(120.0)
    assert [payload["reason"] for _, payload in lab.calls("BootNotification")] == [
        "PowerUp",
        "FirmwareUpdate",
    ]


def test_request_ids_are_echoed_where_the_version_has_them() -> None:
    """Every status of an update carries its request id (L01.FR.10)."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.update(request_id=0)
    lab.run(120.0)
    payloads = [payload for _, payload in lab.calls("FirmwareStatusNotification")]
    assert {payload["requestId"] for payload in payloads} == {0}


def test_pending_boots_are_repeated_and_nothing_else_is_said() -> None:
    """Until accepted only BootNotification goes out, at the interval the CSMS gave (B02)."""
    lab = Lab()
    lab.csms.boot_status = ["Pending", "Rejected", "Accepted"]
    lab.boot()
    lab.run(200.0)
    times = [round(time) for time, _ in lab.calls("BootNotification")]
    assert times == [0, 60, 120]
    first_other = lab.calls("StatusNotification")[0][0]
    assert first_other >= 120


@pytest.mark.parametrize(("meaning", "attempts"), [("retries", 3), ("attempts", 2)])
def test_both_readings_of_retries(meaning: str, attempts: int) -> None:
    """`retries: 2` means two more attempts, or two in all, as the charger reads it."""
    faults = [DownloadFault(kind="status", status=503, times=None)]
    lab = Lab(faults, retries_mean=meaning).boot()
    lab.update(retries=2, retryInterval=5)
    lab.run(60.0)
    assert len(lab.served) == attempts
    assert lab.statuses() == ["Downloading", "DownloadFailed"]
    gaps = [b["time"] - a["time"] for a, b in zip(lab.served, lab.served[1:], strict=False)]
    assert all(gap == pytest.approx(5.0, abs=0.1) for gap in gaps)


def test_reporting_each_attempt_is_visible() -> None:
    """Some chargers report every failed attempt and start again."""
    faults = [DownloadFault(kind="status", status=503, times=2)]
    lab = Lab(faults, reports_each_attempt=True).boot()
    lab.update(retries=2, retryInterval=5)
    lab.run(120.0)
    assert lab.statuses()[:6] == ["Downloading", "DownloadFailed"] * 2 + [
        "Downloading",
        "Downloaded",
    ]


def test_a_cut_download_is_resumed() -> None:
    """The retry asks only for the bytes that are missing."""
    lab = Lab([DownloadFault(kind="cut", at=0.6)]).boot()
    lab.update(retries=1, retryInterval=5)
    lab.run(120.0)
    assert [line["range"] for line in lab.served] == [None, [60_000, 99_999]]
    assert lab.statuses()[-1] == "Installed"


@pytest.mark.parametrize("kind", ["corrupt", "html"])
def test_wrong_bytes_are_never_installed(kind: str) -> None:
    """A damaged image fails as a download and the old version stays."""
    lab = Lab([DownloadFault(kind=kind, times=None)]).boot()
    lab.update(retries=0)
    lab.run(120.0)
    assert lab.statuses() == ["Downloading", "DownloadFailed"]
    assert lab.charger.firmware_version == "1.0.0"


INSTALL = {
    "fails": (["Installing", "InstallationFailed"], "1.0.0"),
    "verification_fails": (["Installing", "InstallVerificationFailed"], "1.0.0"),
    "hangs": (["Downloaded", "Installing"], "1.0.0"),
    "old_version": (["InstallRebooting", "InstallationFailed"], "1.0.0"),
    "power_loss": (["Installing", "InstallationFailed"], "1.0.0"),
    "boot_loop": (["InstallRebooting", "InstallationFailed"], "1.0.0"),
    "bricked": (["Downloaded", "Installing"], "1.0.0"),
    "claims_installed": (["Installing", "Installed"], "1.0.0"),
    "rolls_back": (["InstallRebooting", "Installed"], "1.0.0"),
}


@pytest.mark.parametrize("how", INSTALL)
def test_each_way_an_installation_goes_wrong(how: Any) -> None:
    """Every fault shows on the wire, and none leaves the new version behind."""
    lab = Lab(ocpp="ocpp2.0.1", install_faults=(InstallFault(how=how),)).boot()
    lab.update()
    lab.run(600.0)
    tail, version = INSTALL[how]
    assert lab.statuses()[-2:] == tail
    assert lab.charger.firmware_version == version


def test_a_bricked_charger_never_returns_and_a_loop_boots_again_and_again() -> None:
    """Bricked: one boot for ever. Boot loop: six boots before the old version stays."""
    boots = {}
    for how in ("bricked", "boot_loop", "rolls_back"):
        lab = Lab(install_faults=(InstallFault(how=how),)).boot()
        lab.update()
        lab.run(3600.0)
        boots[how] = len(lab.calls("BootNotification"))
    assert boots == {"bricked": 1, "boot_loop": 6, "rolls_back": 3}


def test_a_future_retrieve_date_is_respected() -> None:
    """2.x says DownloadScheduled and waits; nothing is fetched before the date."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.update(retrieve_in=300.0)
    lab.run(100.0)
    assert (lab.statuses(), lab.served) == (["DownloadScheduled"], [])
    lab.run(400.0)
    assert lab.served[0]["time"] >= START + 300.0
    assert lab.statuses()[-1] == "Installed"


def test_clocks_that_agree_to_a_second_schedule_nothing() -> None:
    """A date that is only a few milliseconds ahead of the charger's own clock means now."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.update(retrieve_in=lab.scheduler.now - START + 0.2)
    lab.run(400.0)
    assert lab.statuses()[0] == "Downloading"
    assert lab.statuses()[-1] == "Installed"


def test_a_second_update_replaces_the_first_while_that_is_possible() -> None:
    """AcceptedCanceled while it downloads, Rejected while it installs (L01.FR.24, FR.27)."""
    lab = Lab([DownloadFault(kind="stall", at=0.5)], ocpp="ocpp2.0.1").boot()
    lab.update(request_id=1)
    second = lab.update(request_id=2)
    assert isinstance(second, wire.CallResult)
    assert second.payload == {"status": "AcceptedCanceled"}
    third = lab.update(request_id=3)
    assert isinstance(third, wire.CallResult)
    assert third.payload == {"status": "Rejected"}
    lab.run(200.0)
    last = lab.calls("FirmwareStatusNotification")[-1][1]
    assert (last["status"], last["requestId"]) == ("Installed", 2)


def test_a_trigger_repeats_the_last_status_and_idle_after_installed() -> None:
    """L01.FR.25 and FR.26: Idle when nothing runs or all went well, else the last status."""
    lab = Lab([DownloadFault(kind="status", times=1)], ocpp="ocpp2.0.1").boot()
    trigger = {"requestedMessage": "FirmwareStatusNotification"}
    lab.call("TriggerMessage", trigger)
    lab.update(retries=0)
    lab.run(5.0)
    lab.call("TriggerMessage", trigger)
    lab.update(retries=0)
    lab.run(200.0)
    lab.call("TriggerMessage", trigger)
    statuses = lab.statuses()
    assert statuses[:4] == ["Idle", "Downloading", "DownloadFailed", "DownloadFailed"]
    assert statuses[-2:] == ["Installed", "Idle"]


def test_a_reset_in_the_middle_interrupts_the_update() -> None:
    """The install is lost, told after the boot, and the old version runs."""
    lab = Lab().boot()
    lab.update()
    lab.run(3.0)
    lab.call("Reset", {"type": "Hard"})
    lab.run(120.0)
    assert lab.statuses()[-1] == "InstallationFailed"
    assert len(lab.calls("BootNotification")) == 2


def test_an_offline_window_ends_with_its_mark() -> None:
    """A charger that waits for the pause connects after it, not before."""
    lab = Lab(offline=(Window(until_mark="pause", plus=3.0),))
    lab.boot().run(500.0)
    assert not lab.charger.online
    lab.fleet.mark("pause")
    lab.run(2.9)
    assert not lab.charger.online
    lab.run(0.2)
    assert lab.charger.ready


def test_reconnects_back_off_exponentially() -> None:
    """Each refusal doubles the wait up to the most."""
    lab = Lab()
    lab.csms.refuse = [503] * 5
    lab.boot().run(60.0)
    opened = next(time for time, kind, _ in lab.log if kind == "open")
    assert opened == pytest.approx(1 + 2 + 4 + 8 + 8)


def test_a_lost_connection_needs_no_new_boot() -> None:
    """A plain reconnect goes on without BootNotification, and heartbeats resume."""
    lab = Lab().boot()
    lab.fleet.cut("CP-1")
    lab.run(200.0)
    assert len(lab.calls("BootNotification")) == 1
    assert lab.charger.ready
    assert len(lab.calls("Heartbeat")) >= 2


def test_an_unanswered_call_times_out_and_life_goes_on() -> None:
    """After the timeout the next CALL goes out."""
    lab = Lab(call_timeout=10.0)
    lab.csms.mute = {"StatusNotification"}
    lab.boot().run(100.0)
    assert len(lab.calls("Heartbeat")) >= 1


@pytest.mark.parametrize("way", ["ready", "offline", "mute"])
def test_a_fence_is_answered_or_said_to_be_impossible(way: str) -> None:
    """Each ask ends exactly once, and never silently."""
    lab = Lab(call_timeout=10.0)
    if way != "offline":
        lab.boot()
    if way == "mute":
        lab.csms.mute = {"Heartbeat"}
    ends: list[str] = []
    lab.fleet.ask("CP-1", "Heartbeat", {}, ends.append)
    lab.run(30.0)
    assert ends == {"ready": ["answered"], "offline": ["offline"], "mute": ["timeout"]}[way]


def test_unknown_actions_and_garbage_get_their_error() -> None:
    """NotImplemented for an unknown action, the 1.6 spelling for a bad shape."""
    lab = Lab().boot()
    unknown = lab.call("FlyToTheMoon", {})
    assert isinstance(unknown, wire.CallError)
    assert unknown.code == "NotImplemented"
    missing = lab.call("UpdateFirmware", {"location": "x"})
    assert isinstance(missing, wire.CallError)
    assert missing.code == "OccurenceConstraintViolation"


hostile = st.one_of(
    st.builds(effects.Received, st.text(max_size=60)),
    st.builds(
        lambda action, payload: effects.Received(wire.encode(wire.Call("m", action, payload))),
        st.sampled_from(["UpdateFirmware", "TriggerMessage", "Reset", "GetConfiguration",
                         "GetVariables", "ChangeConfiguration", "SetVariables"]),
        st.dictionaries(
            st.sampled_from(["location", "retrieveDate", "retries", "key", "type", "value",
                             "requestedMessage", "getVariableData", "firmware", "requestId"]),
            st.one_of(st.none(), st.integers(), st.text(max_size=9), st.lists(st.text(max_size=3)),
                      st.just("2026-01-01T00:00:00Z"), st.dictionaries(st.text(), st.text())),
        ),
    ),
    st.builds(lambda: effects.Received('[3,"x",{"status":"Accepted"}]')),
    st.sampled_from([
        effects.Woke(), effects.Connected("ocpp1.6"), effects.Disconnected(1006),
        effects.ConnectFailed("refused"), effects.Marked("pause"),
        effects.Fetched(1, "00", b"", "00"), effects.FetchFailed("cut", 10),
        effects.Asked("Heartbeat", {}, "r"),
    ]),
)  # fmt: skip


@settings(max_examples=150)
@given(st.sampled_from(DIALECTS), st.lists(hostile, max_size=30))
def test_nothing_that_arrives_can_break_a_charger(
    dialect: tuple[str, bool], inputs: list[effects.Input]
) -> None:
    """Any order of any input: no exception, one CALL at a time, each CALL answered at most once."""
    charger = Charger(spec(ocpp=dialect[0], signed=dialect[1]), seed=1, start=START)
    now = START
    charger.handle(now, effects.PoweredOn())
    for incoming in inputs:
        now += 7.0
        sent = [a for a in charger.handle(now, incoming) if isinstance(a, effects.Send)]
        frames = [wire.decode(action.text) for action in sent]
        assert sum(isinstance(frame, wire.Call) for frame in frames) <= 1
        answers = [f for f in frames if isinstance(f, wire.CallResult | wire.CallError)]
        assert len(answers) <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(DIALECTS),
    st.lists(st.sampled_from(["cut", "stall", "status", "corrupt", "html", "refuse"]), max_size=4),
    st.sampled_from([None, *INSTALL]),
    st.integers(0, 3),
    st.booleans(),
)
def test_reported_statuses_are_always_legal(
    dialect: tuple[str, bool], faults: list[Any], how: Any, retries: int, each: bool
) -> None:
    """Whatever the fates, an honest charger never reports what the tables forbid."""
    lab = Lab(
        [DownloadFault(kind=kind) for kind in faults],
        ocpp=dialect[0],
        signed=dialect[1],
        install_faults=(InstallFault(how=how),) if how else (),
        reports_each_attempt=each,
    ).boot()
    lab.update(retries=retries, retryInterval=2)
    lab.run(900.0)
    kinds = {("ocpp1.6", False): "core", ("ocpp1.6", True): "secure"}
    table = TABLES[kinds.get(dialect, "plain")]
    previous = ""
    for status in lab.statuses():
        assert legal(table, previous, status), lab.statuses()
        previous = status


def test_an_end_that_was_lost_is_told_once_and_only_while_it_is_the_last_word() -> None:
    """Installed survives a broken connection; a stale DownloadFailed does not."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.csms.mute = {"FirmwareStatusNotification"}
    lab.update()
    lab.run(2.0)
    lab.csms.mute = set()
    lab.run(200.0)
    assert lab.statuses()[-1] == "Installed"

    faults = [DownloadFault(kind="status", times=2)]
    lab = Lab(faults, reports_each_attempt=True).boot()
    lab.update(retries=2, retryInterval=3)
    lab.fleet.cut("CP-1")  # the first DownloadFailed is on its way
    lab.run(300.0)
    told = lab.statuses()
    assert told[-1] == "Installed"
    assert "DownloadFailed" not in told[told.index("Downloaded") :]


def test_a_security_event_survives_a_broken_connection() -> None:
    """It is told after the reconnect with the time at which it happened (A04.FR.02)."""
    lab = Lab(ocpp="ocpp1.6", signed=True).boot()
    lab.csms.mute = {"SecurityEventNotification"}
    lab.update(firmware={"signature": "", "signingCertificate": "no PEM"})
    lab.csms.mute = set()
    lab.fleet.cut("CP-1")
    lab.run(30.0)
    told = [payload for _, payload in lab.calls("SecurityEventNotification")]
    refused = [one for one in told if one["type"] == "InvalidFirmwareSigningCertificate"]
    assert refused
    assert len({one["timestamp"] for one in refused}) == 1
