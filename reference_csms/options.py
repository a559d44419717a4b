"""The command line of the CSMS. Values."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """\
A central system for charging stations: the firmware-rollout REST API and an OCPP 1.6, 2.0.1 and
2.1 server over one SQLite file. Prints one JSON line with its addresses when it is ready.
"""

_EPILOG = """\
API key: set FIRMDRILL_API_KEY, or let one be made; it is kept beside the database (mode 0600).
Stations connect to <ocpp>/<station id> after POST <ext>/chargers registered them.

security profile 0   nothing: for rehearsals on this machine
security profile 1   register stations with a "password" (HTTP Basic)
security profile 2   also --tls-cert and --tls-key
security profile 3   also --client-ca: stations prove their id with a certificate's common name
certificates to try 2 and 3: python -m reference_csms.certificates FOLDER --station ID

exit codes: 0 stopped by SIGTERM, 2 wrong usage, 3 could not start, 130 interrupted
"""


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:  # noqa: PLR2004 - refuses nan and inf as well
        raise argparse.ArgumentTypeError("must be a positive number of seconds")
    return value


def _or_none(text: str) -> float:
    return 0.0 if text == "0" else _positive(text)


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value < 2**31:
        raise argparse.ArgumentTypeError("must be a positive whole number")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:  # noqa: PLR2004 - ports
        raise argparse.ArgumentTypeError("must be 0 (any free port) to 65535")
    return value


def _lengths(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and 0 < int(low) <= int(high)):
        raise argparse.ArgumentTypeError("must look like 16-40")
    return int(low), int(high)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m reference_csms`; `firmdrill csms` uses it as well."""
    parser = argparse.ArgumentParser(
        prog="firmdrill csms",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _network(parser.add_argument_group("network"))
    _security(parser.add_argument_group("security"))
    _rollouts(parser.add_argument_group("rollouts"))
    return parser


def _network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--database",
        type=Path,
        default=Path("csms.sqlite"),
        help="SQLite file, made if missing; ':memory:' keeps nothing (default: %(default)s)",
    )
    group.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    group.add_argument("--port", type=_port, default=0, help="REST port (default: any free one)")
    group.add_argument("--ocpp-port", type=_port, default=0, help="OCPP port (default: any)")
    group.add_argument("--deflate", action="store_true", help="offer permessage-deflate")
    group.add_argument(
        "--ping-interval",
        type=_or_none,
        default=60.0,
        help="seconds between WebSocket pings, 0 for none (default: %(default)s)",
    )


def _security(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tls-cert", type=Path, help="certificate chain, PEM: serve TLS")
    group.add_argument("--tls-key", type=Path, help="its private key, PEM")
    group.add_argument("--client-ca", type=Path, help="CA of station certificates (profile 3)")
    group.add_argument(
        "--api-keys",
        type=Path,
        help='further keys: JSON list of {"key", "scope": read|write, "expires": date}',
    )
    group.add_argument(
        "--password-length",
        type=_lengths,
        default=(8, 64),
        metavar="LOW-HIGH",
        help="characters of a station password (default: 8-64; OCPP 2.x says 16-40)",
    )
    group.add_argument(
        "--insecure-firmware-url",
        action="store_true",
        help="allow http:// firmware URLs on loopback",
    )


def _rollouts(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--update-timeout",
        type=_positive,
        default=3600.0,
        help="seconds without a status until a charger fails (default: %(default)s)",
    )
    group.add_argument(
        "--call-timeout",
        type=_positive,
        default=30.0,
        help="seconds to wait for the answer to a call (default: %(default)s)",
    )
    group.add_argument(
        "--heartbeat-interval", type=_count, default=300, help="seconds (default: %(default)s)"
    )
    group.add_argument(
        "--batch",
        type=_count,
        default=50,
        help="chargers per dispatch batch (default: %(default)s)",
    )
    group.add_argument(
        "--synchronous",
        choices=["NORMAL", "FULL"],
        default="NORMAL",
        help="FULL survives power loss as well, for a tenth of the speed (default: %(default)s)",
    )
