"""Cases on chargers that connect over sockets: right ones, wrong ones, and hostile ones."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from harness.checkers.judge import judge
from harness.cli import main
from harness.errors import UsageError
from harness.history import read
from harness.mutants.chargers import mutated_charger
from harness.report import matrix
from harness.suites.charger_cases import QUICK, VARIANTS, Equipment
from harness.suites.charger_register import chosen
from harness.suites.charger_run import Plan, on_charger
from harness.suites.charger_signing import OurSigner, read_key
from harness.suites.charger_site import ChargerSite, SiteOptions, manufacturer
from harness.suites.charger_socket import charger_of
from harness.suites.charger_virtual import spec_for
from harness.suites.results import CaseReport, SuiteReport, announce
from harness.verdict import Verdict
from simulator import signing
from simulator.charger import Charger
from simulator.faults import Fixed
from simulator.sockets import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from harness.suites.charger_cases import Pace


async def nobody(_charger: str, _what: str) -> bool:
    """Nobody stands beside the charger."""
    return False


async def rack(
    folder: Path, *prefixes: str, signed: bool = False, mutant: str = "", pace: Pace = QUICK
) -> list[CaseReport]:
    """Run cases on a charger of each version, at the same time."""
    maker, out = manufacturer(), list[CaseReport]()
    site = ChargerSite(SiteOptions(), signer=OurSigner(maker), ask=nobody, refused=out.append)  # type: ignore[arg-type]
    await site.start()
    specs = [
        spec_for(one, id=f"CP-{one.name}", firmware_root=maker.root, revoked=maker.revoked,
                 install_time=Fixed(value=0.3), reboot_time=Fixed(value=0.2))
        for one in VARIANTS if one.signed == signed
    ]  # fmt: skip
    with mutated_charger(mutant):
        fleet = Fleet(
            [Charger(spec, seed=1, start=time.time()) for spec in specs],
            url=lambda charger: f"{site.urls[0]}/{charger}", observe=lambda *_: None,
            download_ssl=None,
        )  # fmt: skip
        await fleet.start()
        plan = Plan(chosen(prefixes), pace, Equipment(), folder, signed)
        try:
            await asyncio.gather(*(on_charger(site, s.id, plan, out.append) for s in specs))
        finally:
            await fleet.stop()
            await site.stop()
    return out


def test_chargers_of_every_version_pass_over_sockets(tmp_path: Path) -> None:
    """A rack of three; every case leaves its log, which can be judged again."""
    wanted = ("trigger/1", "update/2", "download/1", "connection/3", "second/1")
    reports = asyncio.run(rack(tmp_path, *wanted))
    assert {one.who for one in reports} == {"CP-1.6", "CP-2.0.1", "CP-2.1"}
    assert len(reports) == 15
    assert [one for one in reports if one.failed] == []
    assert sum(one.ran for one in reports) == 14  # 1.6 has no second command
    for one in reports:
        if one.ran:
            header, events = read((tmp_path / one.log).read_bytes().splitlines())
            assert not judge(header, list(events)).failed


def test_signed_updates_over_sockets(tmp_path: Path) -> None:
    """A wrong signature and a foreign certificate are refused, and both are told of."""
    reports = asyncio.run(rack(tmp_path, "security/2", "security/4", signed=True))
    assert [one.verdict for one in reports] == [Verdict.PASS] * 6


def test_a_wrong_charger_is_found_over_sockets(tmp_path: Path) -> None:
    """The reason names what was expected; the findings carry the events."""
    reports = asyncio.run(rack(tmp_path, "update/2", mutant="installs_nothing"))
    assert [one.verdict for one in reports] == [Verdict.FAIL] * 3
    assert all(one.findings for one in reports)
    assert "another version than 1.0.0" in reports[0].reason


def test_a_charger_that_stays_away_is_accused_once(tmp_path: Path) -> None:
    """By the case in which it went; what follows was not put to the test, and is not waited for."""
    wanted = ("update/1", "update/2", "download/1")
    pace = replace(_hasty(2.0), download=3.0, install=3.0, reboot=3.0)
    reports = asyncio.run(rack(tmp_path, *wanted, mutant="never_comes_back", pace=pace))
    for who in ("CP-1.6", "CP-2.0.1", "CP-2.1"):
        mine = [one for one in reports if one.who == who]
        assert [one.verdict for one in mine] == [
            Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE,
        ]  # fmt: skip
        assert "since update/1 it has not been back" in mine[2].reason


def test_a_charger_that_was_named_and_never_came_is_not_accused(tmp_path: Path) -> None:
    """Nothing was put to the test: exit code 3, not a failure of every case."""

    async def run() -> list[CaseReport]:
        out = list[CaseReport]()
        site = ChargerSite(
            SiteOptions(), signer=OurSigner(manufacturer()), ask=nobody, refused=lambda _: None
        )
        await site.start()
        plan = Plan(chosen(("update/",)), _hasty(), Equipment(), tmp_path)
        await on_charger(site, "CP-9", plan, out.append)
        await site.stop()
        return out

    reports = asyncio.run(run())
    assert {one.verdict for one in reports} == {Verdict.INCONCLUSIVE}
    assert SuiteReport("x", cases=reports).exit_code == 3


# ---------------------------------------------------------------------- the door


def at_the_door(
    visit: Callable[[str], Coroutine[Any, Any, None]], password: str | None = None
) -> list[str]:
    """Open a site, let somebody visit it, and return what was refused."""
    refused: list[str] = []

    async def run() -> None:
        site = ChargerSite(
            SiteOptions(password=password), signer=OurSigner(manufacturer()), ask=nobody,
            refused=refused.append,
        )  # fmt: skip
        await site.start()
        try:
            await visit(site.urls[0])
        finally:
            await site.stop()

    asyncio.run(run())
    return refused


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused_and_never_repeated(password: str) -> None:
    """401, and a word to whoever stands there; the password is in neither."""

    async def visit(url: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                url.replace("ws://", f"ws://CP-1:{password or 'x'}@") + "/CP-1",
                subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            ):
                pass
        assert refused.value.response.status_code == 401

    refused = at_the_door(visit, password="right")
    assert refused == ["CP-1 did not give the right password (HTTP Basic)"]


def test_the_right_password_opens() -> None:
    """HTTP Basic with the charger's id."""

    async def visit(url: str) -> None:
        address = url.replace("ws://", "ws://CP-1:right@") + "/CP-1"
        async with connect(address, subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
            await socket.send('[2,"1","Heartbeat",{}]')
            assert json.loads(await socket.recv())[:2] == [3, "1"]

    assert at_the_door(visit, password="right") == []


def test_who_speaks_no_ocpp_is_told_so() -> None:
    """With what it offered and what is needed."""

    async def visit(url: str) -> None:
        with pytest.raises(InvalidHandshake):
            async with connect(f"{url}/CP-1", subprotocols=["mqtt"]):  # type: ignore[list-item]
                pass
        with pytest.raises(InvalidStatus):
            async with connect(url, subprotocols=["ocpp1.6"]):  # type: ignore[list-item]
                pass

    refused = at_the_door(visit)
    assert "offered the subprotocols mqtt" in refused[0]
    assert "names no charger" in refused[1]


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", '[2,"1"]', '[2,"1","Nonsense",{}]', '[9,"1",{}]', '[3,"x",{}]', "\x00"]
)
def test_nonsense_does_not_end_the_desk(frame: str) -> None:
    """Whatever it is, the next Heartbeat is answered."""

    async def visit(url: str) -> None:
        async with connect(f"{url}/CP-1", subprotocols=["ocpp2.0.1"]) as socket:  # type: ignore[list-item]
            await socket.send(frame)
            await socket.send('[2,"h","Heartbeat",{}]')
            async with asyncio.timeout(5.0):
                while json.loads(await socket.recv())[1] != "h":
                    pass

    at_the_door(visit)


@pytest.mark.parametrize(
    ("path", "charger"),
    [("/CP-1", "CP-1"), ("/a/b/CP%201?x=1", "CP 1"), ("/", ""), ("/" + "x" * 49, ""), ("/%0A", "")],
)
def test_a_charger_is_named_by_the_end_of_its_path(path: str, charger: str) -> None:
    """No control characters, and no longer than OCPP allows."""
    assert charger_of(path) == charger


# ---------------------------------------------------------------------- keys


def pem(key: Any) -> bytes:
    """Return a private key as a file holds it."""
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_the_users_key_signs(tmp_path: Path, kind: str) -> None:
    """What it signs holds; what it signs wrongly does not."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(
        ec.SECP256R1())  # fmt: skip
    (tmp_path / "key.pem").write_bytes(pem(key))
    certificate = manufacturer().sign("00" * 32).certificate
    (tmp_path / "cert.pem").write_text(certificate)
    signer = read_key(tmp_path / "key.pem", tmp_path / "cert.pem", stranger=manufacturer())
    assert (
        signer.sign("ab" * 32, "").signature != signer.sign("ab" * 32, "wrong_signature").signature
    )
    assert signer.sign("ab" * 32, "no_pem").certificate == "not a certificate"
    assert "expired" not in signer.flaws
    assert not signing.verified(certificate, signer.sign("ab" * 32, "").signature, "cd" * 32)


@pytest.mark.parametrize("content", [b"", b"nonsense", pem(ed25519.Ed25519PrivateKey.generate())])
def test_a_key_that_cannot_be_used_is_told_without_it(tmp_path: Path, content: bytes) -> None:
    """The text helps, and holds nothing of the key."""
    (tmp_path / "key.pem").write_bytes(content)
    (tmp_path / "cert.pem").write_text("BEGIN CERTIFICATE")
    with pytest.raises(UsageError) as problem:
        read_key(tmp_path / "key.pem", tmp_path / "cert.pem", stranger=manufacturer())
    assert "PRIVATE" not in str(problem.value)


# ---------------------------------------------------------------------- the report


def report(verdict: Verdict, number: str = "a/1", level: str = "MUST", **rest: Any) -> CaseReport:
    """A case that came out so."""
    return CaseReport(number, "<b>", "expects", "source", level, "CP-<1>", verdict, **rest)


@pytest.mark.parametrize(
    ("cases", "strict", "verdict", "code"),
    [
        ([report(Verdict.PASS)], False, Verdict.PASS, 0),
        ([report(Verdict.PASS), report(Verdict.FAIL)], False, Verdict.FAIL, 1),
        ([report(Verdict.FAIL, level="SHOULD")], False, Verdict.NON_STRICT, 0),
        ([report(Verdict.FAIL, level="SHOULD")], True, Verdict.FAIL, 1),
        ([report(Verdict.ERROR, level="SHOULD")], False, Verdict.FAIL, 1),
        ([report(Verdict.NOT_APPLICABLE)], False, Verdict.INCONCLUSIVE, 3),
        ([], False, Verdict.INCONCLUSIVE, 3),
        ([report(Verdict.FAIL, announced="known")], False, Verdict.PASS, 0),
        ([report(Verdict.PASS, announced="known")], False, Verdict.FAIL, 1),
    ],
)
def test_cases_make_the_verdict(
    cases: list[CaseReport], strict: bool, verdict: Verdict, code: int
) -> None:
    """An unexpected pass fails, too: the list of deviations is out of date."""
    suite = SuiteReport("x", cases=cases, strict=strict)
    assert (suite.verdict, int(suite.exit_code)) == (verdict, code)


def test_an_interrupt_is_its_own_exit_code() -> None:
    """Whatever came out until then; and what was not run has not passed."""
    assert SuiteReport("x", cases=[report(Verdict.FAIL)], interrupted=True).exit_code == 130
    suite = SuiteReport("x", cases=[report(Verdict.PASS)], interrupted=True)
    assert (suite.exit_code, suite.verdict) == (130, Verdict.INCONCLUSIVE)
    assert matrix.in_words(suite) == "interrupted; until then: 1 cases said something"


def test_what_failed_is_told_although_the_rest_could_not_be_run() -> None:
    """A system that dies in the middle of a suite."""
    suite = SuiteReport("x", cases=[report(Verdict.FAIL)], problem="nobody answers")
    assert matrix.in_words(suite) == "1 case failed: a/1; then: nobody answers"


def test_the_words_of_a_failure_count_what_the_table_counts() -> None:
    """Cases of level SHOULD do not fail a suite, and stand among those that failed."""
    lax = [report(Verdict.FAIL, name, level="SHOULD") for name in ("b/1", "b/2")]
    known = report(Verdict.FAIL, "c/1", level="SHOULD", announced="ticket 7")
    suite = SuiteReport("x", cases=[report(Verdict.FAIL), *lax, known])
    assert matrix.in_words(suite) == "1 case failed: a/1; and 2 of level SHOULD"


def test_what_was_announced_is_attached() -> None:
    """By the number of the case."""
    cases = announce([report(Verdict.FAIL), report(Verdict.FAIL, "b/1")], {"b/1": "ticket 7"})
    assert [one.announced for one in cases] == ["", "ticket 7"]


def test_the_report_escapes_and_counts(tmp_path: Path) -> None:
    """Names of chargers and reasons are hostile in HTML, XML and JSON."""
    cases = [
        report(Verdict.FAIL, reason="<script>\x00\ud800"),
        report(Verdict.NOT_APPLICABLE, "b/1"),
    ]
    suite = SuiteReport("x", cases=cases, about={"where": "<i>"})
    matrix.write(tmp_path, suite)
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "<i>" not in page
    assert "CP-&lt;1&gt;" in page
    root = ET.fromstring((tmp_path / "junit.xml").read_text())  # noqa: S314 - our own file
    assert root[0].attrib["failures"] == "1"
    assert root[0].attrib["skipped"] == "1"
    assert json.loads((tmp_path / "report.json").read_text())["counts"] == {
        "FAIL": 1, "NOT_APPLICABLE": 1}  # fmt: skip


# ---------------------------------------------------------------------- the command


def check(*words: str) -> Any:
    """Run `check charger`."""
    return CliRunner().invoke(main, ["check", "charger", *words])


def test_the_cases_can_be_listed() -> None:
    """With their certification names, and by prefix."""
    assert "TC_044_1" in check("--list").output
    assert check("--list", "dates").output.count("dates/") == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--simulated", "2.1-signed"], 0, "every case that applies passed"),
        (["--simulated", "1.6", "--mutant", "hammers"], 1, "connection/2"),
        (["--simulated", "1.6", "second/1"], 3, "no case could be run"),
    ],
)
def test_a_simulated_charger_needs_no_hardware(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    """To see what the cases are like, and that they find something."""
    result = check(*words, "--report", str(tmp_path))
    assert result.exit_code == code, result.output
    assert said in result.output
    again = result.output.split("reproduce")[1].split()
    assert sorted(again) == sorted(["firmdrill", "check", "charger", *words])
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense/"], "no case begins with nonsense/"),
        (["--listen", "here"], "HOST:PORT"),
        (["--listen", "0.0.0.0:9000"], "--firmware-url"),
        (["--mutant", "hammers"], "needs --simulated"),
        (["--simulated", "1.6", "--mutant", "nobody"], "no mutant is called nobody"),
        (["--signing-key", __file__], "need each other"),
        (["--older", __file__], "need --image"),
        (["--download", "soon"], "'soon' is not a duration"),
        (["--tls-cert", __file__], "need each other"),
        (["--signed", "--signing-key", __file__, "--signing-cert", __file__], "cannot use"),
    ],
)
def test_wrong_words_are_explained(words: list[str], said: str, tmp_path: Path) -> None:
    """Exit code 2 and what to do."""
    result = check(*words, "--report", str(tmp_path))
    assert result.exit_code == 2, result.output
    assert said in result.output + result.stderr


def test_nobody_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no pass, and the report says why."""
    monkeypatch.setattr("harness.cli.check_charger.PACES", {"human": _hasty()})
    result = check("--listen", "127.0.0.1:0", "--report", str(tmp_path))
    assert result.exit_code == 3, result.output
    assert "no charger connected within 0.1 s" in result.output


def _hasty(connect: float = 0.1) -> Pace:
    return replace(QUICK, connect=connect)
