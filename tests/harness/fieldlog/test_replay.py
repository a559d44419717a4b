"""A replay against itself goes as recorded; whatever is different is found, and found first."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness import targets
from harness.cli import main
from harness.fieldlog.replay import Player
from harness.fieldlog.replay_sockets import address, into_chargers, into_csms
from harness.fieldlog.replay_turns import CHARGER, CSMS, differing, turns_of
from harness.history import Event, Header, encode
from harness.rehearsal import rehearse
from simulator.scenario import built, load
from tests.harness.fieldlog.reading import SAMPLES, read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
Alter = "Callable[[list[Any]], list[Any] | None]"


def same(frame: list[Any]) -> list[Any] | None:
    """Change nothing."""
    return frame


def meet(
    events: list[Event],
    *,
    alter: Callable[[list[Any]], list[Any] | None] = same,
    speed: float = math.inf,
    most: float = 100_000.0,
) -> tuple[Player, Player]:
    """Let the two sides of a recording talk to each other in memory; `alter` the CSMS's frames."""
    one = Player(turns_of(events, CHARGER), side=CHARGER, speed=speed, name="a")
    other = Player(turns_of(events, CSMS), side=CSMS, speed=speed, name="b")
    now = 0.0
    while now < most:
        busy = _exchange(one, other, now, same) | _exchange(other, one, now, alter)
        if (one.over and other.over) or one.divergence:
            break
        if not busy:
            now = max(now + 0.001, min(one.wake, other.wake, most))
    return one, other


def _exchange(
    player: Player, peer: Player, now: float, alter: Callable[[list[Any]], list[Any] | None]
) -> bool:
    acts = player.step(now)
    for act in acts:
        if act.kind == "connect":
            player.connected(now)
        elif act.kind == "close":
            peer.closed(now, 1000)
        else:
            try:
                frame = alter(json.loads(act.text))
            except json.JSONDecodeError:
                continue  # garbage of a charger: nobody waits for it
            if frame is not None:
                peer.heard(json.dumps(frame), now)
    return bool(acts)


def story() -> list[Event]:
    """Return the events of the sample that all formats tell."""
    return [event for event in read(SAMPLES / "steve.log").events if event.charger is not None]


def test_both_sides_of_a_recording_agree() -> None:
    """Played against each other, every turn of both goes as recorded."""
    one, other = meet(story())
    assert (one.divergence, other.divergence) == (None, None)
    assert one.done == len(one.turns)


@pytest.mark.parametrize("name", ["smoke", "statuses-missing", "signed-update", "download-cut"])
def test_chargers_of_a_drill_agree_with_its_csms(name: str) -> None:
    """Drills of all versions, with reboots and retries."""
    drill = rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
    for charger in sorted({e.charger for e in drill.history.events if e.charger})[:6]:
        one, other = meet([e for e in drill.history.events if e.charger == charger])
        assert (one.divergence, other.divergence) == (None, None), charger


def test_another_answer_is_the_first_divergence() -> None:
    """The CSMS rejects the second boot: what came before still went as recorded."""
    seen = 0

    def reject(frame: list[Any]) -> list[Any]:
        nonlocal seen
        if frame[0] == 3 and frame[2].get("interval"):
            seen += 1
            if seen == 2:
                return [3, frame[1], {**frame[2], "status": "Rejected"}]
        return frame

    one, _ = meet(story(), alter=reject)
    assert one.divergence is not None
    assert one.divergence.expected == "answer to BootNotification: status 'Accepted'"
    assert one.divergence.seen == "status 'Rejected'"
    assert one.divergence.place.startswith("line ")


def test_an_answer_that_never_comes_is_a_divergence() -> None:
    """It is waited for, not for ever."""
    one, _ = meet(story(), alter=lambda frame: None if frame[0] == 3 else frame)
    assert one.divergence is not None
    assert one.divergence.expected == "an answer to BootNotification (status Accepted)"
    assert one.divergence.seen.startswith("nothing in 30")


def test_an_error_instead_of_a_result_is_a_divergence() -> None:
    """A CALLERROR means something else."""

    def refuse(frame: list[Any]) -> list[Any]:
        return [4, frame[1], "InternalError", "", {}] if frame[0] == 3 else frame

    one, _ = meet(story(), alter=refuse)
    assert one.divergence is not None
    assert "CALLERROR" in one.divergence.seen


def test_an_update_that_the_recording_does_not_have_is_a_divergence() -> None:
    """Other questions are answered and remarked on."""
    player = Player(turns_of(story(), CHARGER), side=CHARGER, speed=math.inf)
    player.step(0.0)
    player.connected(0.0)
    player.heard('[2,"x","GetConfiguration",{}]', 0.0)
    (_, reply) = [act.text for act in player.step(0.0)][:2]
    assert player.divergence is None
    assert "GetConfiguration came" in player.remarks[0]
    assert "NotSupported" in reply or "BootNotification" in reply
    player.heard('[2,"y","Reset",{"type":"Hard"}]', 0.0)
    assert player.divergence is not None
    assert player.divergence.seen.startswith("Reset")


def test_ids_that_the_other_side_chooses_are_translated() -> None:
    """A transaction gets another number today, and the charger uses it."""

    def event(index: int, kind: str, name: str, frame: list[Any]) -> Event:
        return Event(index, float(index), "charger:a", kind, name, frame[1], {"frame": frame})

    events = [
        Event(0, 0.0, "charger:a", "open", "", "a#1", {"subprotocol": "ocpp1.6"}),
        event(1, "send", "StartTransaction", [2, "1", "StartTransaction", {"meterStart": 0}]),
        event(2, "recv", "StartTransaction", [3, "1", {"transactionId": 7}]),
        event(3, "send", "StopTransaction", [2, "2", "StopTransaction", {"transactionId": 7}]),
    ]
    player = Player(turns_of(events, CHARGER), side=CHARGER, speed=math.inf)
    player.step(0.0)
    player.connected(0.0)
    (start,) = player.step(0.0)
    player.heard(json.dumps([3, json.loads(start.text)[1], {"transactionId": 99}]), 0.0)
    (stop,) = player.step(0.0)
    assert json.loads(stop.text)[3] == {"transactionId": 99}


def test_original_time_is_kept_and_scaled() -> None:
    """The first frame of the update comes a minute after the boot, or six seconds at ten times."""
    for speed, expected in ((1.0, 151.0), (10.0, 15.1), (math.inf, 0.1)):
        player = Player(turns_of(story(), CHARGER), side=CHARGER, speed=speed)
        total = sum(1 for _ in player.turns)
        assert total > 16
        _, _ = meet(story(), speed=speed)
        one, _ = meet(story(), speed=speed)
        assert one.divergence is None
        assert one._since == pytest.approx(expected, abs=expected * 0.1 + 1.0)


@pytest.mark.parametrize(
    ("recorded", "live", "same_meaning"),
    [
        ([3, "a", {"currentTime": "x", "status": "Accepted"}],
         [3, "b", {"currentTime": "y", "status": "Accepted"}], True),
        ([3, "a", {"idTagInfo": {"status": "Accepted"}}],
         [3, "b", {"idTagInfo": {"status": "Blocked"}}], False),
        ([2, "a", "Reset", {"type": "Hard"}], [2, "b", "Reset", {"type": "Soft"}], False),
        ([4, "a", "InternalError", "x", {}], [4, "b", "InternalError", "y", {}], True),
        ([3, "a", {}], [4, "b", "InternalError", "y", {}], False),
    ],
)  # fmt: skip
def test_frames_are_compared_by_meaning(
    recorded: list[Any], live: list[Any], *, same_meaning: bool
) -> None:
    """Statuses and codes count; ids and times do not."""
    assert (differing(recorded, live) is None) is same_meaning


def test_addresses_carry_the_charger() -> None:
    """Appended, or where {id} stands; always quoted."""
    assert address("ws://h/ocpp/", "a/b") == "ws://h/ocpp/a%2Fb"
    assert address("ws://h/{id}/x", "a") == "ws://h/a/x"


@pytest.mark.sockets
def test_over_real_sockets_both_sides_agree() -> None:
    """Our CSMS's side listens, our charger's side connects, reboot included."""

    async def whole() -> tuple[Player, Player]:
        events = story()
        one = Player(turns_of(events, CHARGER), side=CHARGER, speed=math.inf, name="a")
        other = Player(turns_of(events, CSMS), side=CSMS, speed=math.inf, name="b")
        urls: asyncio.Queue[str] = asyncio.Queue()
        versions = {"K7-00412": "ocpp1.6"}
        listening = asyncio.create_task(
            into_chargers(
                {"K7-00412": other}, host="127.0.0.1", port=0, subprotocols=versions,
                listening=urls.put_nowait, wait=10.0,
            )
        )  # fmt: skip
        url = await urls.get()
        await into_csms({"K7-00412": one}, url, subprotocols=versions)
        await asyncio.wait_for(listening, 10.0)
        return one, other

    one, other = asyncio.run(whole())
    assert (one.divergence, other.divergence) == (None, None)
    assert one.over
    assert other.over


@pytest.mark.sockets
def test_a_csms_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Exit code 3 and the reason."""
    del tmp_path
    words = ["replay", str(SAMPLES / "steve.log"), "--to", "ws://127.0.0.1:9/ocpp"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 3
    assert "nobody could connect" in done.output


def test_a_drill_is_run_again_from_its_history(tmp_path: Path) -> None:
    """Same scenario, same seed, same verdict: reproduced."""
    runner = CliRunner()
    first = tmp_path / "first"
    ran = runner.invoke(
        main, ["run", "statuses-missing", "--virtual", "--report", str(first), "-q"]
    )
    again = runner.invoke(main, ["replay", str(first), "--report", str(tmp_path / "again")])
    assert (ran.exit_code, again.exit_code) == (0, 0)
    assert "reproduced: as recorded, PASS" in again.output
    assert (tmp_path / "again" / "history.ndjson").read_bytes().splitlines()[1:] == (
        first / "history.ndjson"
    ).read_bytes().splitlines()[1:]


def test_a_drill_is_not_run_again_over_its_recording(tmp_path: Path) -> None:
    """A failure that does not come again would then be gone for good."""
    runner, history = CliRunner(), tmp_path / "history.ndjson"
    runner.invoke(main, ["run", "smoke", "--virtual", "--report", str(tmp_path), "-q"])
    before = history.read_bytes()
    again = runner.invoke(main, ["replay", str(tmp_path), "--report", str(tmp_path)])
    assert again.exit_code == 2
    assert "choose another place" in again.stderr
    assert history.read_bytes() == before


def test_a_failing_drill_fails_again(tmp_path: Path) -> None:
    """A mutant's drill reproduces with the mutant that its history names."""
    runner = CliRunner()
    first = tmp_path / "first"
    words = ["run", "pause", "--virtual", "--mutant", "pause_ignored", "--report", str(first)]
    from harness.mutants import names  # noqa: PLC0415

    words[4] = "pause_ignored" if "pause_ignored" in names() else names()[0]
    ran = runner.invoke(main, words)
    again = runner.invoke(main, ["replay", str(first), "--report", str(tmp_path / "again")])
    assert ran.exit_code == again.exit_code
    assert "reproduced: as recorded" in again.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "http://x"], "ws://"),
        (["--to", "ws://x", "--listen", "a:1"], "exclude"),
        (["--listen", "9000"], "127.0.0.1:9000"),
        (["--to", "ws://x", "--speed", "soon"], "--speed"),
        (["--to", "ws://x", "--charger", "nobody"], "no charger nobody"),
        ([], "no history"),
    ],
)
def test_wrong_words_are_explained(words: list[str], told: str) -> None:
    """Exit code 2, and what to write instead."""
    done = CliRunner().invoke(main, ["replay", str(SAMPLES / "steve.log"), *words])
    assert done.exit_code == 2
    assert told in done.output


def test_a_history_without_its_scenario_cannot_be_run_again(tmp_path: Path) -> None:
    """A field log is played, not rehearsed."""
    path = tmp_path / "history.ndjson"
    event = Event(0, 0.0, "charger:a", "send", "Heartbeat", "1", {"frame": [2, "1", "H", {}]})
    path.write_bytes(encode(Header(target={"kind": "field log"})) + encode(event))
    done = CliRunner().invoke(main, ["replay", str(path)])
    assert done.exit_code == 2
    assert "--to" in done.output


@pytest.mark.sockets
@pytest.mark.slow
def test_into_the_reference_csms(tmp_path: Path) -> None:
    """A session goes as recorded; an update that nobody ordered is the first divergence."""
    events = story()
    spec = built(
        {
            "version": 1,
            "name": "x",
            "firmware": {"version": "2"},
            "fleet": [{"cohort": "k", "count": 1, "id": "K7-00412"}],
            "expect": {"installed": 1},
        }
    ).chargers()
    whole = Player(turns_of(events, CHARGER), side=CHARGER, speed=math.inf, patience=0.5)
    short = Player(turns_of(events[:5], CHARGER), side=CHARGER, speed=math.inf)

    async def run() -> None:
        reference = await targets.start_reference(tmp_path)
        api = targets.RestApi(reference.address)
        await api.open()
        try:
            await targets.provision(api, spec)
            url = reference.address.ocpp
            secret = reference.address.passwords.get("K7-00412")
            for player in (short, whole):
                versions = {"K7-00412": "ocpp1.6"}
                await into_csms({"K7-00412": player}, url, subprotocols=versions, password=secret)
        finally:
            await api.close()
            await reference.stop()

    asyncio.run(run())
    assert short.divergence is None
    assert short.over
    assert whole.divergence is not None
    assert whole.divergence.expected.startswith("UpdateFirmware")
    assert whole.done == 5  # connected, booted, and said its status


def test_a_message_that_is_no_unicode_is_played_as_it_was(tmp_path: Path) -> None:
    """A charger said half a character; so does its replay."""
    text = (SAMPLES / "microocpp.log").read_text(encoding="utf-8")
    text += '[MO] Send: [2,"s1","DataTransfer",{"vendorId":"\\ud83d"}]\n[MO] Recv: [3,"s1",{}]\n'
    events = [event for event in read_text(tmp_path, text).events if event.charger is not None]
    one, other = meet(events)
    assert (one.divergence, other.divergence) == (None, None)
    assert one.over


@pytest.mark.parametrize(
    "text", ["[[3],{},{}]", '[{"a":3},"1",{}]', "[true,1,{}]", "{}", "", "[" * 99]
)
def test_an_answer_of_no_shape_is_a_divergence(text: str) -> None:
    """Whatever the other side says, it breaks nothing here."""
    player = Player(turns_of(story(), CHARGER), side=CHARGER, speed=math.inf)
    player.step(0.0)
    player.connected(0.0)
    player.heard(text, 0.0)
    assert player.divergence is not None
    assert player.divergence.expected == "an OCPP-J frame"
