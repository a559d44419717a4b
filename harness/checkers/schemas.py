"""The OCPP JSON schemas, as data: what the `ocpp` package ships, without importing its code.

Validators are compiled on first use and kept. Messages of versions or actions without a schema
cannot be judged: `validator` returns None for them.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from jsonschema_rs import Validator

DEEPEST = 64  # levels of a payload; the schemas of OCPP look at a dozen or so
VERSIONS = {"ocpp1.6": ("v16", ""), "ocpp2.0.1": ("v201", "Request"), "ocpp2.1": ("v21", "Request")}


@cache
def folder(subprotocol: str) -> Path | None:
    """Return where the schemas of a subprotocol are, None if it is unknown."""
    version = VERSIONS.get(subprotocol)
    spec = importlib.util.find_spec("ocpp")
    if version is None or spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / version[0] / "schemas"


@cache
def actions(subprotocol: str) -> frozenset[str]:
    """Return the actions that a version knows."""
    where = folder(subprotocol)
    names = (path.stem for path in where.glob("*Response.json")) if where else ()
    return frozenset(name.removesuffix("Response") for name in names)


@cache
def unheard_of(subprotocol: str, action: str) -> bool:
    """Whether a version that we know has no such action."""
    return subprotocol in VERSIONS and action not in actions(subprotocol)


@cache
def validator(subprotocol: str, action: str, answer: bool) -> Validator | None:
    """Return the compiled schema of a CALL's or a CALLRESULT's payload."""
    where = folder(subprotocol)
    if where is None or action not in actions(subprotocol):
        return None
    suffix = "Response" if answer else VERSIONS[subprotocol][1]
    schema = json.loads((where / f"{action}{suffix}.json").read_text("utf-8-sig"))
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def invalid(subprotocol: str, action: str, payload: Any, *, answer: bool) -> str:
    """Say why a payload does not fit its schema, '' if it does or no schema is known.

    A hostile payload is judged as well: lone surrogates as the escapes that a history keeps, and
    without what is nested deeper than any schema of OCPP looks.
    """
    check = validator(subprotocol, action, answer)
    if check is None:
        return ""
    try:
        return "" if check.is_valid(payload) else _misfit(check, payload)
    except ValueError:  # what the validator cannot take: surrogates, too many levels
        return _misfit(check, _plain(payload, DEEPEST))


def _misfit(check: Validator, payload: Any) -> str:
    error = next(iter(check.iter_errors(payload)), None)
    if error is None:
        return ""
    path = ".".join(str(part) for part in error.instance_path)
    return f"{path + ': ' if path else ''}{error.message}"


def _plain(value: Any, levels: int) -> Any:
    """Return a value that any validator takes; containers below `levels` are emptied."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        items = value.items() if levels else ()
        return {_plain(key, 0): _plain(item, levels - 1) for key, item in items}
    if isinstance(value, list):
        return [_plain(item, levels - 1) for item in value] if levels else []
    return value
