"""Where a foreign CSMS names things differently: paths, fields and statuses, both ways. A core.

The operator, the history and the judge speak the published API's names only; a mapping translates
at the very border, so that a finding reads the same for every system.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from harness.world import Outcome, Request

PATHS = {
    "create": "/firmware/rollout",
    "read": "/firmware/rollout/{rollout_id}",
    "execute_stage": "/firmware/rollout/{rollout_id}/execute-stage",
    "pause": "/firmware/rollout/{rollout_id}/pause",
    "fleet": "/fleet/firmware",
}
_ROLLOUT = re.compile(r"/firmware/rollout(?:/(?P<id>[^/?]+)(?P<act>/execute-stage|/pause)?)?")


@dataclass(frozen=True, slots=True)
class Names:
    """How one system calls what the published API calls otherwise.

    `paths` are templates by operation, `fields` and `statuses` map published names to the
    system's. What is not named is called as published.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)

    def outgoing(self, request: Request) -> Request:
        """Translate a request into the system's names."""
        if not (self.paths or self.fields):
            return request
        body = None if request.body is None else _renamed(request.body, self.fields, {})
        return replace(request, path=self._path(request.path), body=body)

    def incoming(self, outcome: Outcome) -> Outcome:
        """Translate an answer into the published names."""
        if not (self.fields or self.statuses):
            return outcome
        fields = {theirs: ours for ours, theirs in self.fields.items()}
        statuses = {theirs: ours for ours, theirs in self.statuses.items()}
        return replace(outcome, body=_renamed(outcome.body, fields, statuses))

    def _path(self, path: str) -> str:
        plain, mark, query = path.partition("?")
        match = _ROLLOUT.fullmatch(plain)
        if match is not None:
            acts = {"/execute-stage": "execute_stage", "/pause": "pause", None: "read"}
            operation = acts[match["act"]] if match["id"] else "create"
            template = self.paths.get(operation, PATHS[operation])
            return template.replace("{rollout_id}", match["id"] or "") + mark + query
        if plain == PATHS["fleet"]:
            for ours, theirs in self.fields.items():
                query = re.sub(rf"(^|&){re.escape(ours)}=", rf"\g<1>{quote(theirs)}=", query)
            return self.paths.get("fleet", plain) + mark + query
        return path


def _renamed(value: Any, fields: Mapping[str, str], statuses: Mapping[str, str]) -> Any:
    """Rename keys everywhere, and the values of `status` keys."""
    if isinstance(value, Mapping):
        out = {}
        for key, item in value.items():
            name = fields.get(key, key)
            known = name == "status" and isinstance(item, str)
            out[name] = statuses.get(item, item) if known else _renamed(item, fields, statuses)
        return out
    return (
        [_renamed(item, fields, statuses) for item in value] if isinstance(value, list) else value
    )
