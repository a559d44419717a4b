"""What a target file may say: urls, charger ids and switches that mean something. A core.

Each function returns its argument or raises ValueError with words for whoever writes the file, so
that a slip is found where it stands, and not as a system that cannot be reached.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.contract import CHARGER_STATUSES, DEFAULTS, STATUSES
from harness.decisions import DECISIONS, INERT
from simulator.units import LONGEST

_LONGEST_LABEL = 63  # RFC 1035


def sound_url(url: str, schemes: tuple[str, ...]) -> str:
    """Return a url that has one of these schemes, a host, a port in range and no credentials."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    if any(one.isspace() or not one.isprintable() for one in url):
        raise ValueError("a url holds no spaces, line ends or control characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"this is no url: {error}") from None
    if parts.scheme not in schemes or not host:
        raise ValueError(f"a url is needed that begins with {wanted} and names a host")
    if any(not 0 < len(label) <= _LONGEST_LABEL for label in host.rstrip(".").split(".")):
        raise ValueError("a part of the host's name is empty or longer than 63 characters")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "no user or password in a url: name a variable with key_env or password_env"
        )
    return url


def base_url(url: str, schemes: tuple[str, ...]) -> str:
    """Return a sound url to which paths are appended: it has neither query nor fragment."""
    if "?" in url or "#" in url:
        raise ValueError("a base url has no ? or #: paths are appended to it")
    return sound_url(url, schemes)


def sound_pattern(pattern: str) -> str:
    """Return a template whose only place is {n}, like `CP-{n:04}`."""
    try:
        places = [name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None]
        samples = {pattern.format(n=number) for number in (1, 2)} if set(places) == {"n"} else set()
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"this is no pattern: {error}; write it like CP-{{n:04}}") from None
    if len(samples) != 2:  # noqa: PLR2004 - the two numbers tried
        raise ValueError("a pattern has one place, {n}, for the number: CP-{n:04}")
    for sample in samples:
        sound_id(sample)
    return pattern


def sound_id(name: str) -> str:
    """Return a charger's id that can stand in a url and in a report."""
    if not name or not name.isprintable() or name != name.strip():
        raise ValueError(f"{name!r} is no charger id: it is empty or holds what cannot be printed")
    if len(name) > 255:  # noqa: PLR2004 - OCPP 2.0.1 allows 48; more than this is a slip
        raise ValueError("a charger id of more than 255 characters is none")
    return name


def unlike(names: Sequence[str], what: str) -> Sequence[str]:
    """Return names that all differ."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f"{what} {twice[0]!r} is named twice")
    return names


def sound_statuses(statuses: Mapping[str, str]) -> None:
    """Raise ValueError unless published statuses are named, each with a word of its own."""
    known = {*STATUSES, *CHARGER_STATUSES}
    for name in statuses:
        if name not in known:
            raise ValueError(
                f"{name} is no status of the published API; known: {', '.join(sorted(known))}"
            )
    unlike([*statuses.values()], "the status")


def sound_profile(profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return switches that some property hangs on: `any`, or numbers where it has numbers."""
    for switch, value in profile.items():
        if switch not in DECISIONS:
            raise ValueError(f"{switch} is no decision; they are D1 to D35")
        if switch in INERT:
            raise ValueError(f"nothing that is judged hangs on {switch}: leave it out")
        if value != "any":
            _numbers(switch, value)
    return profile


def _numbers(switch: str, value: Any) -> None:
    """Raise ValueError unless `value` changes numbers that a decision has."""
    known = DEFAULTS.get(switch, {})
    if not known:
        raise ValueError(f"{switch}: any (not judged) is the only other value")
    if not isinstance(value, Mapping):
        raise ValueError(f"{switch} is any, or numbers: {', '.join(known)}")
    for name, number in value.items():
        if name not in known:
            raise ValueError(f"{switch} has no {name}; it has {', '.join(known)}")
        wrong = isinstance(number, bool) or not isinstance(number, int | float)
        if wrong or not 0 < number <= LONGEST:  # nan is above nothing
            raise ValueError(
                f"{switch}: {name} is a number of seconds above 0 and up to a century, "
                f"not {number!r:.40}"
            )
