"""Target files: what they say, what they refuse, and that no secret is in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import checkers
from harness.cli.target import TEMPLATE
from harness.decisions import DECISIONS, INERT
from harness.errors import UsageError
from harness.target_file import Target, load_target
from simulator.scenario import load

if TYPE_CHECKING:
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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chargers: {pattern: CP}", "one place, {n}"),
        ("chargers: {pattern: 'CP-{m}'}", "one place, {n}"),
        ("chargers: {pattern: 'CP-{n'}", "this is no pattern"),
        ("chargers: {pattern: 'CP-{n:zz}'}", "this is no pattern"),
        ("chargers: {pattern: 'CP-{}'}", "one place, {n}"),
        ("chargers: {ids: [a, a]}", "'a' is named twice"),
        ("chargers: {ids: ['']}", "no charger id"),
        ("chargers: {ids: [a], pattern: 'C-{n}'}", "not both"),
        ("chargers: {register: nonsense}", "names a host"),
        ("chargers: {provision: {url: 'http://h/known'}}", "which charger would be made known"),
        ("profile: {D99: any}", "D99 is no decision"),
        ("profile: {D2: any}", "nothing that is judged hangs on D2"),
        ("profile: {D6: banana}", "any (not judged) is the only other value"),
        ("profile: {D34: {freshness: soon}}", "a number of seconds above 0"),
        ("profile: {D34: {fresh: 3}}", "D34 has no fresh"),
        ("profile: {D34: {freshness: 0}}", "a number of seconds above 0"),
        ("profile: {D34: {freshness: .nan}}", "a number of seconds above 0"),
        ("profile: {D34: {freshness: .inf}}", "up to a century, not inf"),
        ("profile: {D34: {freshness: 1%s}}" % ("0" * 400), "up to a century, not 1000"),
        ("names: {fields: {rollout_id: id, charge_point_id: id}}", "the field 'id' is named twice"),
        ("names: {statuses: {in_progress: RUN, paused: RUN}}", "the status 'RUN' is named twice"),
        ("names: {statuses: {running: RUN}}", "no status of the published API"),
        ("subprotocols: [ocpp1.6, ocpp1.6]", "named twice"),
        ("firmware: {url: nonsense}", "names a host"),
        ("firmware: {tls_cert: a.pem}", "need each other"),
        ("security_profile: 2", "neither password_env nor certificates: that is 0"),
        ("under_test: []", "at least 1"),
    ],
)
def test_a_slip_is_found_where_it_stands(tmp_path: Path, line: str, said: str) -> None:
    """Not as a system that cannot be reached, and never as a traceback."""
    with pytest.raises(UsageError) as caught:
        target(tmp_path, f"{PLAIN}{line}\n")
    assert said in str(caught.value)
    assert "t.yaml:" in str(caught.value)


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("http://user:word@h/api", "no user or password"),
        ("http://h:99999/api", "this is no url"),
        ("http://[::1/api", "this is no url"),
        ("http:///api", "names a host"),
        ("http://a b/api", "no spaces"),
        ('"http://h/a\\r\\nX: y"', "no spaces"),
        ("http://h/api?x=1", "has no ? or #"),
        ("ftp://h/api", "http:// or https://"),
        (f"http://{'a' * 64}/api", "longer than 63"),
    ],
)
def test_an_address_is_a_url_without_secrets(tmp_path: Path, api: str, said: str) -> None:
    """A password in a url would stand in every report."""
    with pytest.raises(UsageError, match=re.escape(said)):
        target(tmp_path, PLAIN.replace("https://h/api/", api))


def test_the_security_profile_follows_from_the_rest(tmp_path: Path) -> None:
    """0: nothing, 1: a password, 2: a password over TLS, 3: certificates; a claim is checked."""
    assert target(tmp_path, PLAIN).secured == 0
    passwords = PLAIN + "chargers: {password_env: PW}\n"
    assert target(tmp_path, passwords + "security_profile: 2\n").secured == 2
    assert target(tmp_path, passwords.replace("wss", "ws")).secured == 1
    certificates = PLAIN + "chargers: {certificates: .}\nsecurity_profile: 3\n"
    assert target(tmp_path, certificates).secured == 3


def test_files_lie_beside_the_target_file(tmp_path: Path) -> None:
    """Also those of our firmware server, wherever the command is run."""
    text = PLAIN + "ca: ca.pem\nfirmware: {tls_cert: c.pem, tls_key: k.pem}\n"
    found = target(tmp_path, text)
    assert (found.ca, found.firmware.tls_cert, found.firmware.tls_key) == (
        tmp_path / "ca.pem", tmp_path / "c.pem", tmp_path / "k.pem",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "said"),
    [("ca: nowhere.pem", "cannot use"), ("ca: t.yaml", "cannot use"),
     ("chargers: {certificates: nowhere}", "is no folder"),
     ("chargers: {certificates: shown}", "cannot use")],
)  # fmt: skip
def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path, line: str, said: str) -> None:
    """By its name, before anything is run."""
    (tmp_path / "shown").mkdir()
    for end in (".pem", ".key"):
        (tmp_path / "shown" / f"a-0001{end}").write_text("junk")
    with pytest.raises(UsageError, match=said):
        target(tmp_path, f"{PLAIN}{line}\n").address(chargers(1))


def test_a_key_that_no_header_can_carry_is_told_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end at the end of a file that was read into the environment, say."""
    monkeypatch.setenv("FIRMDRILL_API_KEY", "sesame\n")
    with pytest.raises(UsageError) as caught:
        target(tmp_path, PLAIN).address(chargers(1))
    assert "no HTTP header" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_an_empty_target_file_says_how_to_begin(tmp_path: Path) -> None:
    """Not with the words of a scenario."""
    for text in ("", "~\n", "3\n"):
        with pytest.raises(UsageError, match="firmdrill target new"):
            target(tmp_path, text)


def test_switches_without_effect_are_the_ones_nothing_hangs_on() -> None:
    """Every other decision is named by some checker."""
    told = "".join(
        path.read_text(encoding="utf-8") for path in Path(checkers.__file__).parent.glob("*.py")
    )
    assert {name for name in DECISIONS if f'"{name}"' not in told} == INERT
