"""The OCPP JSON schemas, as data: what the `ocpp` package ships, without importing its code.

Validators are compiled on first use and kept. Messages of versions or actions without a schema
cannot be judged: nothing is wrong with them here.
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


def actions(subprotocol: str) -> frozenset[str]:
    """Return the actions that a version knows; none of a version that we do not know."""
    return _actions(subprotocol) if subprotocol in VERSIONS else frozenset()


def unheard_of(subprotocol: str, action: str) -> bool:
    """Whether a version that we know has no such action."""
    return subprotocol in VERSIONS and action not in _actions(subprotocol)


# What is cached is known: strangers name versions and actions, and must not fill memory with them.


@cache
def _folder(subprotocol: str) -> Path | None:
    """Return where the schemas of a version are, None if the package is not there."""
    spec = importlib.util.find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / VERSIONS[subprotocol][0] / "schemas"


@cache
def _actions(subprotocol: str) -> frozenset[str]:
    where = _folder(subprotocol)
    names = (path.stem for path in where.glob("*Response.json")) if where else ()
    return frozenset(name.removesuffix("Response") for name in names)


@cache
def _validator(subprotocol: str, action: str, answer: bool) -> Validator:
    """Return the compiled schema of a CALL's or a CALLRESULT's payload."""
    where, suffix = _folder(subprotocol), "Response" if answer else VERSIONS[subprotocol][1]
    assert where is not None, "there are actions, so there are schemas"  # noqa: S101
    schema = json.loads((where / f"{action}{suffix}.json").read_text("utf-8-sig"))
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def invalid(subprotocol: str, action: str, payload: Any, *, answer: bool) -> str:
    """Say why a payload does not fit its schema, '' if it does or no schema is known.

    A hostile payload is judged as well: lone surrogates as the escapes that a history keeps, and
    without what is nested deeper than any schema of OCPP looks.
    """
    if action not in actions(subprotocol):
        return ""
    check = _validator(subprotocol, action, answer)
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
