"""The contract's decisions about chargers and their statuses, one test a decision."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_csms.errors import Problem
from reference_csms.model import AskStatus, Boot, CallError, CallResult, Frame, Image
from tests.reference_csms.rig import URL, Rig


def started(count: int = 1, **fields: Any) -> tuple[Rig, str]:
    """Return a rig whose chargers were all triggered and have not answered."""
    rig = Rig()
    rollout_id = rig.create(rig.fleet(count), **fields)
    rig.execute(rollout_id)
    return rig, rollout_id


def shown(rig: Rig, rollout_id: str, charger_id: str = "CP-001") -> tuple[str, str | None, int]:
    """Return (status, detail, progress) of a charger."""
    entry = rig.charger(rollout_id, charger_id)
    return entry["status"], entry.get("detail"), entry["progress_percent"]


# ------------------------------------------------------------------ D20 - D24


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CallResult("Rejected"), "rejected"),
        (CallResult("InvalidCertificate"), "invalid_certificate"),
        (CallResult("RevokedCertificate"), "revoked_certificate"),
        (CallError("NotSupported", "no\x00\ud800"), "call_error"),
    ],
)
def test_d20_a_refusal_fails_that_charger_only(answer: CallResult | CallError, reason: str) -> None:
    """The rest of the stage is neither delayed nor touched."""
    rig, rollout_id = started(2)
    rig.answer("CP-001", answer)
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["reason"]) == ("failed", reason)
    rig.install("CP-002")
    assert rig.read(rollout_id)["status"] == "completed"


@pytest.mark.parametrize("status", ["", "Accepted", "AcceptedCanceled"])
def test_d20_every_acceptance_starts_the_update(status: str) -> None:
    """OCPP 1.6 has no status, 2.x may replace an older update: both mean yes."""
    rig, rollout_id = started()
    rig.answer("CP-001", CallResult(status))
    assert shown(rig, rollout_id) == ("scheduled", None, 0)


def test_d21_an_unanswered_command_is_asked_about_and_resent_only_on_idle() -> None:
    """The charger that knows nothing gets it again, with a fresh request and message id."""
    rig, rollout_id = started()
    first = rig.calls["CP-001"]
    rig.time_out("CP-001")
    assert rig.asks() == ["CP-001"]
    rig.answer("CP-001")
    assert rig.updates() == ["CP-001"]
    rig.report("CP-001", "Idle")
    assert rig.updates() == ["CP-001"] * 2
    second = rig.calls["CP-001"]
    assert second.message_id != first.message_id
    assert second.request_id > first.request_id  # type: ignore[union-attr]
    for request_id in (first.request_id, second.request_id):  # type: ignore[union-attr]
        rig.report("CP-001", "Downloading", request_id=request_id)
    assert shown(rig, rollout_id)[0] == "downloading"


def test_d21_a_charger_that_answers_idle_for_ever_is_resent_once_a_connection() -> None:
    """Otherwise a confused charger would be triggered in a loop."""
    rig, _ = started()
    for _ in range(5):
        rig.time_out("CP-001")
        if "CP-001" in rig.calls:
            rig.answer("CP-001")
        rig.report("CP-001", "Idle")
        if "CP-001" not in rig.calls:
            break
    assert rig.updates() == ["CP-001"] * 2


def test_d21_the_question_never_overtakes_the_answer_to_the_boot() -> None:
    """A station may refuse any CALL before its boot is answered (B01.FR.08)."""
    rig, _ = started()
    rig.disconnect("CP-001")
    rig.links["CP-001"] = link = "CP-001#again"
    rig.service.connected(rig.now, "CP-001", link, "ocpp2.0.1")
    rig.service.booted(rig.now, "CP-001", link, Boot("ABB", "Terra AC", "3.4.1"))
    rig.service.after_commit(Frame("CP-001", link, "the answer to the boot"))
    rig.service.wake(rig.now)
    kinds = [type(item) for item in rig.service.commit(rig.now)]
    assert kinds == [Frame, AskStatus]


def test_d21_any_status_settles_the_doubt() -> None:
    """A status of its own proves that the charger has the command: never resent."""
    rig, rollout_id = started()
    rig.disconnect("CP-001")
    rig.connect("CP-001")
    assert rig.asks() == ["CP-001"]
    rig.report("CP-001", "Downloading", "Idle")
    rig.answer("CP-001")
    rig.report("CP-001", "Idle")
    assert rig.updates() == ["CP-001"]
    assert shown(rig, rollout_id)[0] == "downloading"


@pytest.mark.parametrize("answer", [CallResult("NotImplemented"), CallError("NotSupported"), None])
def test_d21_without_an_answer_to_the_question_it_is_never_resent(
    answer: CallResult | CallError | None,
) -> None:
    """The timeout decides (D12)."""
    rig, rollout_id = started()
    rig.time_out("CP-001")
    if answer is None:
        rig.time_out("CP-001")
    else:
        rig.answer("CP-001", answer)
    rig.report("CP-001", "Idle")
    rig.disconnect("CP-001")
    rig.connect("CP-001")
    rig.pass_time(3601)
    assert rig.updates() == ["CP-001"]
    assert rig.charger(rollout_id, "CP-001")["reason"] == "timeout"


def test_d21_asks_but_never_resends_while_paused() -> None:
    """The resume does, and lists the charger."""
    rig, rollout_id = started()
    rig.pause(rollout_id)
    rig.time_out("CP-001")
    rig.answer("CP-001")
    rig.report("CP-001", "Idle")
    rig.pass_time(60)
    assert (rig.asks(), rig.updates()) == (["CP-001"], ["CP-001"])
    assert rig.execute(rollout_id)["chargers_triggered"] == ["CP-001"]


def test_d21_not_resent_before_the_retrieve_date_nor_after_another_version_booted() -> None:
    """Idle is no proof before the date, and a changed version is proof of something else."""
    rig, _ = started(retrieve_date="2023-11-15T22:13:20Z")
    rig.time_out("CP-001")
    rig.report("CP-001", "Idle")
    rig.pass_time(86_500)
    assert rig.updates() == ["CP-001"]
    rig, rollout_id = started()
    rig.pause(rollout_id)
    rig.time_out("CP-001")
    rig.report("CP-001", "Idle")
    rig.disconnect("CP-001")
    rig.connect("CP-001", "9.9.9")
    assert rig.updates() == ["CP-001"]


def test_d21_a_resend_needs_no_new_place_in_the_window() -> None:
    """The charger holds its place in max_in_flight already; waiting for another would block it."""
    rig, _ = started(2, max_in_flight=1)
    rig.time_out("CP-001")
    rig.answer("CP-001")
    rig.report("CP-001", "Idle")
    assert rig.updates() == ["CP-001", "CP-001"]


def test_d21_an_idle_nobody_asked_for_is_no_reason_to_resend() -> None:
    """It may have been said before the command arrived."""
    rig, _ = started()
    rig.report("CP-001", "Idle")
    rig.disconnect("CP-001")
    rig.report("CP-001", "Idle")
    rig.connect("CP-001")
    assert rig.updates() == ["CP-001"]


def resent() -> tuple[Rig, str, str]:
    """Return a rig whose charger was told twice, the rollout, and the first message id."""
    rig, rollout_id = started()
    first = rig.calls["CP-001"].message_id
    rig.time_out("CP-001")
    rig.answer("CP-001")
    rig.pass_time(10)
    rig.report("CP-001", "Idle")
    return rig, rollout_id, first


def test_d21_an_answer_to_the_first_command_does_not_judge_the_second() -> None:
    """A late refusal of the message that was given up says nothing about the repeat."""
    rig, rollout_id, first = resent()
    rig.service.answered(rig.now, "CP-001", first, CallResult("Rejected"))
    rig.service.undelivered(rig.now, "CP-001", first)
    rig.turn()
    assert shown(rig, rollout_id)[0] == "scheduled"
    rig.install("CP-001")
    assert shown(rig, rollout_id)[0] == "installed"


def test_d21_a_repeat_that_cannot_leave_keeps_what_was_shown() -> None:
    """started_at is the first dispatch (D27), and the repeat is tried again later."""
    rig, rollout_id, _ = resent()
    entry = rig.charger(rollout_id, "CP-001")
    call = rig.calls.pop("CP-001")
    rig.service.undelivered(rig.now, "CP-001", call.message_id)
    rig.turn()
    assert rig.charger(rollout_id, "CP-001") == entry
    rig.disconnect("CP-001")
    rig.connect("CP-001")
    assert rig.updates() == ["CP-001"] * 3


def test_d22_a_status_nobody_has_heard_of_changes_nothing() -> None:
    """Sessions check schemas; should one let a word through, it is recorded and no more."""
    rig, rollout_id = started()
    rig.report("CP-001", "Downloading", "Pondering")
    assert shown(rig, rollout_id) == ("downloading", None, 10)


def test_d21_a_late_answer_still_counts() -> None:
    """The CALLRESULT that came after the call time-out ends the doubt."""
    rig, rollout_id = started()
    call = rig.calls["CP-001"]
    rig.time_out("CP-001")
    rig.service.answered(rig.now, "CP-001", call.message_id, CallResult("Accepted"))
    rig.answer("CP-001")
    rig.report("CP-001", "Idle")
    assert rig.updates() == ["CP-001"]
    assert shown(rig, rollout_id)[0] == "scheduled"


def test_d22_late_backward_and_foreign_statuses_change_nothing() -> None:
    """They are recorded, and a reader of the rollout sees no difference."""
    rig, rollout_id = started(2)
    request = rig.calls["CP-001"].request_id  # type: ignore[union-attr]
    rig.answer("CP-001")
    rig.report("CP-001", "Downloading", "Downloaded", "Installing")
    before = rig.read(rollout_id)
    rig.pass_time(5)
    rig.report("CP-001", "Downloading", "Downloaded", "Installing", "Idle", "DownloadFailed")
    rig.report("CP-001", "Installed", request_id=request + 1000)
    rig.report("CP-001", "Installed", request_id=0)
    assert rig.read(rollout_id) == before
    rig.report("CP-001", "Installed", request_id=request)
    before = rig.read(rollout_id)
    rig.pass_time(5)
    rig.report("CP-001", "Installed", "InstallationFailed", "Downloading", "Nonsense\ud800")
    assert rig.read(rollout_id) == before
    entries = rig.ok(lambda: rig.service.audit(rig.now))["entries"]
    assert sum(one["kind"] == "ignored" for one in entries) == 11


def test_d22_a_flood_of_pointless_statuses_does_not_fill_the_disk() -> None:
    """A connection's useless statuses are recorded up to a limit, and the last line says so."""
    rig = Rig()
    rig.fleet(1)
    for _ in range(700):
        rig.service.firmware_status(rig.now, "CP-001", "Idle")
    rig.turn()
    entries = rig.ok(lambda: rig.service.audit(rig.now, limit=5000))["entries"]
    ignored = [one["data"]["why"] for one in entries if one["kind"] == "ignored"]
    assert len(ignored) == 500
    assert "not recorded" in ignored[-1]


def test_d22_unsolicited_statuses_change_nothing() -> None:
    """Before any rollout, before the trigger, and in a rollout that is only planned."""
    rig = Rig()
    rig.fleet(1)
    rig.report("CP-001", "Installed")
    rollout_id = rig.create(["CP-001"])
    rig.report("CP-001", "Downloading", "Installed", "InstallationFailed")
    assert rig.read(rollout_id)["status"] == "pending"
    rig.report("nobody", "Installed")
    assert rig.charger(rollout_id, "CP-001")["status"] == "pending"


def test_d22_statuses_may_skip_forward() -> None:
    """Only Installed, without anything before, is a success."""
    rig, rollout_id = started()
    rig.report("CP-001", "Installed")
    assert rig.read(rollout_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("catalogued", "version", "status", "detail"),
    [
        (None, "3.5.1", "installed", "inferred"),
        (None, "3.4.1", "scheduled", None),
        (None, "", "scheduled", None),
        ("3.5.1", "3.5.1", "installed", "inferred"),
        ("3.5.1", "3.5.0", "scheduled", None),
    ],
)
def test_d23_a_boot_settles_what_a_lost_installed_left_open(
    catalogued: str | None, version: str, status: str, detail: str | None
) -> None:
    """The catalogued version, or any other than before where none is catalogued."""
    rig, rollout_id = started()
    if catalogued:
        rig.ok(lambda: rig.service.put_image(rig.now, Image(url=URL, version=catalogued)))
    rig.answer("CP-001")
    rig.disconnect("CP-001")
    rig.connect("CP-001", version)
    assert shown(rig, rollout_id)[:2] == (status, detail)


def test_d23_the_boot_of_an_earlier_update_proves_nothing_about_the_next() -> None:
    """Installed reported before the reboot, next update triggered, then the reboot comes."""
    rig, _ = started()
    rig.install("CP-001")
    second = rig.create(["CP-001"])
    rig.execute(second)
    rig.answer("CP-001")
    rig.disconnect("CP-001")
    rig.connect("CP-001", "3.5.1")
    assert shown(rig, second)[0] == "scheduled"
    rig.disconnect("CP-001")
    rig.connect("CP-001", "3.6.0")
    assert shown(rig, second)[0] == "scheduled"  # unknown before, so nothing is inferred


def test_d23_the_old_version_after_installed_is_flagged() -> None:
    """Installed stands; the boot with the old version shows as version_mismatch."""
    rig, rollout_id = started()
    rig.install("CP-001")
    assert "version_mismatch" not in rig.charger(rollout_id, "CP-001")
    rig.disconnect("CP-001")
    rig.connect("CP-001", "3.4.1")
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["version_mismatch"]) == ("installed", True)
    lines = len(rig.ok(lambda: rig.service.audit(rig.now, rollout_id))["entries"])
    rig.connect("CP-001", "3.4.1")
    assert len(rig.ok(lambda: rig.service.audit(rig.now, rollout_id))["entries"]) == lines
    assert rig.read(rollout_id)["status"] == "completed"


@pytest.mark.parametrize("when", ["planned", "waiting", "triggered"])
def test_d24_a_removed_charger_fails_and_still_counts(when: str) -> None:
    """Reason `removed`, in its stage, and the rollout can still end."""
    rig = Rig()
    ids = rig.fleet(2)
    if when == "waiting":
        rig.disconnect("CP-001")
    rollout_id = rig.create(ids)
    if when != "planned":
        rig.execute(rollout_id)
    rig.ok(lambda: rig.service.remove_charger(rig.now, "CP-001"))
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["reason"]) == ("failed", "removed")
    if when == "planned":
        assert rig.execute(rollout_id)["chargers_triggered"] == ["CP-002"]
    rig.install("CP-002")
    assert rig.read(rollout_id)["status"] == "completed"
    with pytest.raises(Problem):
        rig.service.remove_charger(rig.now, "CP-001")


def test_d24_a_stage_emptied_by_removals_is_passed_over() -> None:
    """It is failed, and the next execute-stage starts the one behind it."""
    rig = Rig()
    ids = rig.fleet(3)
    rollout_id = rig.create(ids, "rolling", batch_size=1)
    rig.execute(rollout_id)
    rig.install("CP-001")
    rig.ok(lambda: rig.service.remove_charger(rig.now, "CP-002"))
    assert rig.execute(rollout_id)["executed_stage"] == 3
    assert rig.read(rollout_id)["stages"][1]["status"] == "failed"


# ------------------------------------------------------------------ D25 - D27, D30


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("DownloadScheduled", ("scheduled", "DownloadScheduled", 0)),
        ("Downloading", ("downloading", None, 10)),
        ("DownloadPaused", ("downloading", "DownloadPaused", 10)),
        ("Downloaded", ("downloaded", None, 80)),
        ("SignatureVerified", ("downloaded", "SignatureVerified", 80)),
        ("InstallScheduled", ("installing", "InstallScheduled", 85)),
        ("Installing", ("installing", None, 85)),
        ("InstallRebooting", ("rebooting", None, 95)),
        ("Installed", ("installed", None, 100)),
    ],
)
def test_d25_d26_what_each_status_shows(status: str, expected: tuple[str, str | None, int]) -> None:
    """Status, OCPP detail and progress as decided."""
    rig, rollout_id = started()
    rig.report("CP-001", status)
    assert shown(rig, rollout_id) == expected


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("InvalidSignature", "invalid_signature"),
        ("InstallVerificationFailed", "install_verification_failed"),
        ("InstallationFailed", "installation_failed"),
    ],
)
def test_d25_failures_name_their_reason(status: str, reason: str) -> None:
    """Progress is kept on failure (D26)."""
    rig, rollout_id = started()
    rig.report("CP-001", "Downloading", "Downloaded", status)
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["reason"], entry["progress_percent"]) == ("failed", reason, 80)


def test_d25_installing_and_rebooting_are_one_rank() -> None:
    """A station may go back and forth, with progress never falling."""
    rig, rollout_id = started()
    rig.report("CP-001", "InstallRebooting", "Installing")
    assert shown(rig, rollout_id) == ("installing", None, 95)


STATUSES = st.sampled_from(
    [
        "DownloadScheduled", "Downloading", "DownloadPaused", "Downloaded", "DownloadFailed",
        "SignatureVerified", "InvalidSignature", "InstallScheduled", "Installing",
        "InstallRebooting", "InstallVerificationFailed", "InstallationFailed", "Installed", "Idle",
    ]
)  # fmt: skip
RANK = ["pending", "scheduled", "downloading", "downloaded", "installing", "installed"]


@settings(deadline=None)
@given(st.lists(STATUSES, max_size=12))
def test_d26_progress_never_falls_and_statuses_never_step_back(statuses: list[str]) -> None:
    """For any stream of statuses: ranks rise, an end is frozen, 100 means installed (R29, R30)."""
    rig, rollout_id = started()
    before = rig.charger(rollout_id, "CP-001")
    for status in statuses:
        rig.report("CP-001", status)
        after = rig.charger(rollout_id, "CP-001")
        assert after["progress_percent"] >= before["progress_percent"]
        assert (after["progress_percent"] == 100) == (after["status"] == "installed")
        if before["completed_at"]:
            assert after == before
        elif after["status"] != "failed":
            ranks = [
                RANK.index(one["status"].replace("rebooting", "installing"))
                for one in (before, after)
            ]
            assert ranks == sorted(ranks)
        before = after


def test_d26_a_progress_source_is_shown_while_downloading() -> None:
    """Posted percentages rise, stay below the install, and mean nothing otherwise."""
    rig, rollout_id = started()
    posted = [rig.service.progress(rig.now, "CP-001", 50)]
    assert shown(rig, rollout_id)[2] == 0
    rig.report("CP-001", "Downloading")
    for percent, expected in ((62, 62), (30, 62), (99, 80)):
        posted.append(rig.service.progress(rig.now, "CP-001", percent))
        assert shown(rig, rollout_id)[2] == expected
    assert all(ticket.outcome for ticket in posted)


def test_d27_times_are_written_once() -> None:
    """started_at is the dispatch, completed_at the end, both in UTC with Z."""
    rig = Rig()
    rig.fleet(1)
    rollout_id = rig.create(["CP-001"])
    rig.pass_time(10)
    rig.execute(rollout_id)
    rig.pass_time(10)
    rig.report("CP-001", "Downloading")
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["started_at"], entry["completed_at"]) == ("2023-11-14T22:13:30.000Z", None)
    rig.pass_time(10)
    rig.report("CP-001", "Installed")
    rig.pass_time(10)
    rig.report("CP-001", "Installed")
    entry = rig.charger(rollout_id, "CP-001")
    assert entry["started_at"] == "2023-11-14T22:13:30.000Z"
    assert entry["completed_at"] == "2023-11-14T22:13:50.000Z"


def test_d30_retries_are_sent_and_counted() -> None:
    """Two retries mean three counted failures; in between it shows as retrying."""
    rig, rollout_id = started()
    call = rig.calls["CP-001"]
    assert (call.retries, call.retry_interval) == (2, 30)  # type: ignore[union-attr]
    for _ in range(2):
        rig.report("CP-001", "Downloading", "DownloadFailed", "DownloadFailed")
        assert shown(rig, rollout_id) == ("downloading", "retrying", 10)
    rig.report("CP-001", "Downloading")
    assert shown(rig, rollout_id) == ("downloading", None, 10)
    rig.report("CP-001", "DownloadFailed")
    assert rig.charger(rollout_id, "CP-001")["reason"] == "download_failed"


def test_d30_a_failure_without_a_further_attempt_ends_the_update() -> None:
    """1.5 x retryInterval + 30 s of silence after a DownloadFailed: it was the last."""
    rig, rollout_id = started(retry_interval=100)
    rig.report("CP-001", "Downloading", "DownloadFailed")
    rig.pass_time(179)
    assert shown(rig, rollout_id)[1] == "retrying"
    rig.pass_time(2)
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["reason"]) == ("failed", "download_failed")


def test_d30_zero_retries_and_an_immediate_failure() -> None:
    """A failure without a Downloading before it counts too."""
    rig, rollout_id = started(retries=0)
    rig.report("CP-001", "DownloadFailed")
    assert rig.charger(rollout_id, "CP-001")["reason"] == "download_failed"


# ------------------------------------------------------------------ D29


def test_d29_cancel_fails_the_untriggered_and_lets_the_rest_finish() -> None:
    """A pending rollout is over at once, a running one when its chargers are."""
    rig = Rig()
    ids = rig.fleet(4)
    rollout_id = rig.create(ids, "rolling", batch_size=2)
    rig.execute(rollout_id)
    body = rig.ok(lambda: rig.service.cancel(rig.now, rollout_id, "wrong image"))
    assert body["status"] == "in_progress"
    assert rig.charger(rollout_id, "CP-003")["reason"] == "cancelled"
    rig.install("CP-001", "CP-002")
    assert rig.read(rollout_id)["status"] == "failed"
    pending = rig.create(ids)
    assert rig.ok(lambda: rig.service.cancel(rig.now, pending))["status"] == "failed"
    with pytest.raises(Problem):
        rig.service.cancel(rig.now, pending)


def test_d29_retry_plans_the_failed_chargers_anew() -> None:
    """A new pending rollout with the same choices, only for a finished one with failures."""
    rig, rollout_id = started(3, max_in_flight=7)
    with pytest.raises(Problem, match="is in_progress"):
        rig.service.retry(rig.now, rollout_id)
    rig.install("CP-001")
    rig.fail("CP-002", "CP-003")
    body = rig.ok(lambda: rig.service.retry(rig.now, rollout_id))
    assert body["status"] == "pending"
    assert body["stages"][0]["charger_ids"] == ["CP-002", "CP-003"]
    assert rig.execute(body["rollout_id"])["chargers_triggered"] == ["CP-002", "CP-003"]


def test_d29_signed_images_travel_with_the_command() -> None:
    """A catalogued signature and certificate reach the session."""
    rig = Rig()
    rig.fleet(1)
    image = Image(url=URL, version="3.5.1", signature="c2ln", signing_certificate="PEM")
    rig.ok(lambda: rig.service.put_image(rig.now, image))
    rig.execute(rig.create(["CP-001"]))
    call = rig.calls["CP-001"]
    assert (call.signature, call.signing_certificate) == ("c2ln", "PEM")  # type: ignore[union-attr]
    assert rig.ok(lambda: rig.service.list_images(rig.now))["images"][0]["version"] == "3.5.1"


@pytest.mark.parametrize(
    "fields",
    [
        {"version": ""},
        {"version": "\ud800"},
        {"signature": "\ud800"},
        {"signing_certificate": "-----BEGIN\n\ud800"},
        {"size": -1},
        {"sha256": "x" * 300},
        {"release_date": "2024\x00"},
    ],
)
def test_d29_an_image_that_cannot_be_kept_is_refused(fields: dict[str, Any]) -> None:
    """422, and the catalogue stays as it was."""
    rig = Rig()
    image = Image(**{"url": URL, "version": "1", **fields})
    with pytest.raises(Problem) as caught:
        rig.service.put_image(rig.now, image)
    assert caught.value.members["errors"][0]["field"] == next(iter(fields))
    assert rig.ok(lambda: rig.service.list_images(rig.now)) == {"images": []}


def test_d29_the_event_stream_shows_committed_changes_in_order() -> None:
    """Numbers rise without gaps and agree with the audit trail."""
    rig = Rig()
    rig.fleet(1)
    rig.service.subscribe()
    rig.execute(rig.create(["CP-001"]))
    rig.install("CP-001")
    numbers = [item.number for kind, item in rig.log if kind == "other"]
    entries = rig.ok(lambda: rig.service.audit(rig.now, after=numbers[0] - 1))["entries"]
    assert numbers == [one["number"] for one in entries]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_hostile_texts_are_made_safe_once() -> None:
    """Surrogates, controls and floods in anything a charger says neither break nor leak."""
    rig, rollout_id = started()
    nasty = "\ud800'; DROP TABLE charger; --<script>\x00\x1b[2J" + "x" * 100_000
    rig.answer("CP-001", CallError(nasty, nasty))
    rig.connect("CP-001", nasty)
    rig.service.firmware_status(rig.now, "CP-001", nasty, 1, nasty)
    rig.service.record_call(rig.now, "CP-001", nasty, {"answer": nasty})
    rig.turn()
    entry = rig.charger(rollout_id, "CP-001")
    assert len(entry["detail"]) <= 500
    fleet = rig.ok(lambda: rig.service.fleet_firmware(rig.now))
    assert len(fleet["versions"][0]["firmware_version"]) <= 100
    assert rig.ok(lambda: rig.service.list_chargers(rig.now))["total"] == 1
