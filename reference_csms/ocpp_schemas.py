"""The JSON schemas of OCPP, from the `ocpp` package, compiled once per version and action.

Policy for what stations send: `format` is not enforced (a station whose dates lack a zone is heard
rather than refused: losing its status would be worse), everything else of the schema is. What we
send ourselves passes the same schemas with formats on, in the tests.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
_FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}

# Which error code a broken keyword earns; whatever is not named is a property constraint.
_CODES = {
    "type": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
}
# OCPP-J 1.6 spells two codes its own way and lacks two (OCPP-J 1.6 table 7).
_SPELLING_1_6 = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "RpcFrameworkError": "FormationViolation",
    "MessageTypeNotSupported": "ProtocolError",
}
_DESCRIPTION_LIMIT = 255
_UNCONFIRMED = frozenset({"NotifyPeriodicEventStream"})


class Violation(NamedTuple):
    """Why a payload is refused: an OCPP error code as this version spells it, and a sentence."""

    code: str
    description: str


def spelled(version: str, code: str) -> str:
    """Return an error code of OCPP 2.x as `version` spells it."""
    return _SPELLING_1_6.get(code, code) if version == "ocpp1.6" else code


@cache
def _names(version: str) -> frozenset[str]:
    """Return the names of a version's schemas: an action that a peer invents is looked up here."""
    folder = files("ocpp").joinpath(_FOLDERS[version], "schemas")
    return frozenset(one.name.removesuffix(".json") for one in folder.iterdir())


def _schema(version: str, name: str) -> dict[str, Any]:
    """Return one of the schemas that `_names` lists."""
    source = files("ocpp").joinpath(_FOLDERS[version], "schemas", f"{name}.json")
    schema: dict[str, Any] = json.loads(source.read_text("utf-8-sig"))
    return schema


class Payloads:
    """The validators of one version; each is compiled when it is first needed."""

    def __init__(self, version: str, *, formats: bool = False) -> None:
        self.version = version
        self._formats = formats
        self._requests: dict[str, jsonschema_rs.Validator] = {}
        self._responses: dict[str, jsonschema_rs.Validator] = {}

    def _compiled(self, name: str) -> jsonschema_rs.Validator | None:
        if name not in _names(self.version):
            return None
        schema = _schema(self.version, name)
        return jsonschema_rs.validator_for(schema, validate_formats=self._formats)

    def request(self, action: str) -> jsonschema_rs.Validator | None:
        """Return the validator of a request, or None where the version has no such action."""
        found = self._requests.get(action)
        if found is None and not action.endswith(("Request", "Response")):
            # 1.6 names a request after the action alone; 2.1 does so for its one unconfirmed one.
            plain = self.version == "ocpp1.6" or action in _UNCONFIRMED
            found = self._compiled(action if plain else f"{action}Request")
            if found is not None:
                self._requests[action] = found
        return found

    def response(self, action: str) -> jsonschema_rs.Validator | None:
        """Return the validator of a response, or None where the version has no such action."""
        found = self._responses.get(action)
        if found is None:
            found = self._compiled(f"{action}Response")
            if found is not None:
                self._responses[action] = found
        return found

    def violation(
        self, validator: jsonschema_rs.Validator, payload: dict[str, Any]
    ) -> Violation | None:
        """Return the first thing wrong with `payload`, or None."""
        if validator.is_valid(payload):
            return None
        error = next(iter(validator.iter_errors(payload)))
        keyword = str(error.schema_path[-1]) if error.schema_path else ""
        where = "/".join(str(part) for part in error.instance_path) or "the payload"
        code = spelled(self.version, _CODES.get(keyword, "PropertyConstraintViolation"))
        text = f"{where}: {_sentence(keyword, error)}"
        return Violation(code, text[:_DESCRIPTION_LIMIT])


def _sentence(keyword: str, error: jsonschema_rs.ValidationError) -> str:
    """Say what is wrong without repeating the value: it may be long, secret or hostile."""
    if keyword == "required":
        return f"{getattr(error.kind, 'property', '?')!r} is missing"
    if keyword == "additionalProperties":
        return "it has fields that this message does not know"
    return f"violates {keyword!r} of the schema"


@cache
def payloads(version: str) -> Payloads:
    """Return the shared validators of a version."""
    return Payloads(version)
