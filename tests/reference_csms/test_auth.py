"""Keys, passwords and the limit on guesses."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING

import pytest

from reference_csms.auth import (
    ApiKeys,
    Failures,
    KeyFileError,
    StationPasswords,
    api_key,
    load_keys,
    private_secret,
)
from reference_csms.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "a-good-key-of-24-letters"
READER = "a-key-that-only-reads-00"
OLD = "an-expired-key-000000000"


def keys() -> ApiKeys:
    """Return three keys of different power."""
    return ApiKeys([api_key(GOOD), api_key(READER, "read"), api_key(OLD, expires=100.0)])


def refusal(header: str | None, *, writes: bool = True, now: float = 200.0) -> int:
    """Return the status that the keys answer, 0 if they let pass."""
    try:
        keys().check(header, now, writes=writes)
    except Problem as problem:
        return 0 if GOOD in str(problem) else problem.status
    return 0


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Basic {GOOD}", GOOD, "Bearer x", f"Bearer {GOOD}x", "\udcff"],
)
def test_missing_and_wrong_keys_are_401(header: str | None) -> None:
    """R45: whatever is not a known key is refused, also bytes that are no text."""
    assert refusal(header) == 401


def test_a_good_key_passes_and_scopes_and_dates_hold() -> None:
    """A reader may read, not write; an expired key may nothing."""
    assert refusal(f"Bearer {GOOD}") == 0
    assert refusal(f"bearer   {GOOD}") == 0
    assert refusal(f"Bearer {READER}", writes=False) == 0
    assert refusal(f"Bearer {READER}") == 403
    assert refusal(f"Bearer {OLD}", now=99.0) == 0
    assert refusal(f"Bearer {OLD}", now=100.0) == 401


def test_a_made_secret_is_private_and_stays(tmp_path: Path) -> None:
    """The file is readable by its owner only and read back at the next start."""
    path = tmp_path / "x.api-key"
    first = private_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert private_secret(path) == first
    assert len(first) >= 40
    path.write_text("short\n")
    with pytest.raises(KeyFileError, match="remove it"):
        private_secret(path)


def test_further_keys_come_from_a_file(tmp_path: Path) -> None:
    """Scope and expiry are read; every mistake is one clear error."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([{"key": READER, "scope": "read", "expires": "2030-01-01T00:00Z"}]))
    (key,) = load_keys(path)
    assert key.scope == "read"
    assert key.expires == 1_893_456_000.0
    for wrong in ("", "{}x", "[1]", '[{"key": "short"}]', f'[{{"key":"{GOOD}","scope":"all"}}]'):
        path.write_text(wrong)
        with pytest.raises(KeyFileError):
            load_keys(path)
    with pytest.raises(KeyFileError, match="cannot read"):
        load_keys(tmp_path / "missing")


def basic(name: str, password: str) -> str:
    """Return a Basic header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_a_station_proves_its_own_name_and_password() -> None:
    """A00.FR.204, 207: both must match; a colon in the password is part of it."""
    passwords = StationPasswords(b"secret")
    kept = passwords.hashed("CP-1", "pass:wörd")
    assert passwords.matches("CP-1", kept, basic("CP-1", "pass:wörd"))
    wrong = [None, "", "Basic", "Basic %%%", basic("CP-2", "pass:wörd"), basic("CP-1", "pass")]
    assert not any(passwords.matches("CP-1", kept, header) for header in wrong)
    assert not passwords.matches("CP-2", kept, basic("CP-2", "pass:wörd"))
    other = StationPasswords(b"another secret")
    assert not other.matches("CP-1", kept, basic("CP-1", "pass:wörd"))
    assert "pass" not in kept


def test_a_hexadecimal_key_may_come_as_its_bytes() -> None:
    """OCPP-J 1.6 §6.2.2: the AuthorizationKey 00FF... is sent as the bytes 0x00 0xFF ..."""
    passwords, key = StationPasswords(b"secret"), "00FF" * 10
    header = "Basic " + base64.b64encode(b"CP-1:" + bytes.fromhex(key)).decode()
    for registered in (key, key.lower()):
        assert passwords.matches("CP-1", passwords.hashed("CP-1", registered), header)
    assert not passwords.matches("CP-1", passwords.hashed("CP-1", key[:-1] + "E"), header)


def test_guesses_are_limited_per_name_and_minute() -> None:
    """After the allowed failures a name must wait for the rest of its minute, others need not."""
    failures = Failures(2, remembered=2)
    for _ in range(2):
        assert failures.wait("a", 10.0) == 0
        failures.note("a", 10.0)
    assert failures.wait("a", 20.0) == 51
    assert failures.wait("b", 20.0) == 0
    assert failures.wait("a", 70.0) == 0
    failures.note("b", 70.0)
    failures.note("c", 70.0)
    assert failures.wait("a", 20.0) == 0  # forgotten: memory is bounded
