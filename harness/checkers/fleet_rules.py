"""R42: the fleet list agrees with what the chargers last booted with."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Booted, Replied
from harness.contract import objects
from harness.verdict import CSMS, Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Station
    from harness.checkers.view import View
    from harness.history import Event

Group = tuple[str, str | None, str | None]  # version, vendor, model


def group_of(station: Station) -> Group:
    """Return the group that a booted station belongs to; no version counts as `unknown`."""
    return _plain(station.version or "unknown", station.vendor, station.model)


def _plain(version: str, vendor: Any, model: Any) -> Group:
    """Return a group without what a CSMS may well refuse to repeat: control characters."""
    return _printable(version), _printable(vendor), _printable(model)


def _printable(text: Any) -> Any:
    """Return a string as far as it can be printed; a replacement says as much as an omission."""
    if not isinstance(text, str) or (text.isprintable() and "\ufffd" not in text):
        return text
    return "".join(char for char in text if char.isprintable() and char != "\ufffd")


class R42(Checker):
    """Fleet list."""

    requirement = Requirement(
        "R42",
        "Fleet list",
        "GET /fleet/firmware lists every distinct version once, with the number of chargers that "
        "last booted with it, filtered as asked, and the total of what it lists.",
        "API, List firmware versions across fleet",
    )

    def __init__(self) -> None:
        """Start with no boots."""
        super().__init__()
        self._before: dict[str, tuple[Event, Group | None]] = {}  # boot, the group before it
        self._known: dict[str, int] = {}  # event index of the answer to the latest boot
        self._groups: dict[str, Group] = {}
        self._others: Counter[Group] | None = None  # chargers of a foreign CSMS that are not ours

    @sees(Booted)
    def booted(self, _view: View, fact: Booted) -> None:
        """Remember both the new and the old group until the boot is answered."""
        charger = fact.station.id
        self._before[charger] = (fact.event, self._groups.get(charger))
        self._groups[charger] = group_of(fact.station)
        self._known.pop(charger, None)

    @sees(Replied, about=("BootNotification",))
    def replied(self, _view: View, fact: Replied) -> None:
        """An accepted boot is known to the CSMS from its answer on."""
        if fact.sender is CSMS:
            self._known[fact.station.id] = fact.event.index

    @sees(Answered, about=("fleet",))
    def answered(self, view: View, fact: Answered) -> None:
        """Judge one fleet list."""
        op = fact.op
        if op.outcome != "ok" or not isinstance(op.reply, dict):
            return
        self.exercised += 1
        query = parse_qs(urlsplit(str(op.invoked.data.get("path", ""))).query)
        problem = self._problem(view, op.reply, query, op.invoked.index)
        if problem:
            self.accuse(
                view,
                who=op.id,
                expected="versions and counts as the chargers last booted",
                seen=problem,
                events=(op.invoked, fact.event),
            )

    def _problem(
        self, view: View, body: dict[str, Any], query: dict[str, list[str]], asked: int
    ) -> str:
        rows = objects(body.get("versions"))
        listed: Counter[Group] = Counter()
        seen: set[Group] = set()
        for row in rows:
            named = (_text(row.get("vendor")), _text(row.get("model")))
            group = (str(row.get("firmware_version")), *named)
            if group in seen:
                return f"{group[0]} of {group[1]} {group[2]} is listed twice"
            seen.add(group)
            count, ids = row.get("charger_count"), row.get("charger_ids")
            listed[_plain(*group)] += count if isinstance(count, int) else 0
            if isinstance(ids, list) and len(ids) != count:
                return f"charger_count {count} beside {len(ids)} charger ids"
        total = body.get("total_chargers")
        if isinstance(total, int) and total != sum(listed.values()):
            return f"total_chargers {total} beside counts that make {sum(listed.values())}"
        vendor = _printable(query.get("vendor", [None])[0])
        wrong = [g for g in listed if vendor is not None and g[1] != vendor]
        if wrong:
            return f"vendor {vendor} was asked for, {wrong[0][1]} is listed"
        return self._counts(view, rows, listed, query, asked)

    def _counts(
        self,
        view: View,
        rows: list[dict[str, Any]],
        listed: dict[Group, int],
        query: dict[str, list[str]],
        asked: int,
    ) -> str:
        """Compare counts; a boot that overlaps the read may count either way."""
        sites = view.header.scenario.get("sites")
        site, vendor = query.get("site_id", [None])[0], _printable(query.get("vendor", [None])[0])
        if site is not None and not isinstance(sites, dict):
            return ""  # nobody told the judge who stands where
        least: Counter[Group] = Counter()
        most: Counter[Group] = Counter()
        certain: dict[str, Group] = {}
        for charger, group in self._groups.items():
            if site is not None and isinstance(sites, dict) and sites.get(charger) != site:
                continue
            if self._known.get(charger, asked) < asked:
                least[group] += 1
                most[group] += 1
                certain[charger] = group
            else:
                old = self._before[charger][1]
                most.update({group, old} - {None})  # type: ignore[arg-type]
        foreign = bool(view.header.target.get("foreign"))
        if self._others is None and not (foreign and query):
            # A CSMS that is not ours may know chargers that we do not play: they stay as they are.
            self._others = Counter(listed) - most if foreign else Counter()
        shared = view.header.target.get("shared") or self._others is None
        for group in least | Counter(listed):
            if vendor is not None and group[1] != vendor:
                continue
            count, known = listed.get(group, 0), not shared and (site is None or not self._others)
            most[group] += self._others[group] if self._others is not None else 0
            if count < least[group] or (known and group[0] != "unknown" and count > most[group]):
                low, high = least[group], most[group]
                span = f"{low}" if low == high else f"{low} to {high}"
                return f"{group[0]} of {group[1]} {group[2]}: {count} listed, {span} booted with it"
        return _misplaced(rows, certain, vendor)


def _text(value: Any) -> str | None:
    """Return a name as listed; whatever is no text stands for itself and equals no name."""
    return value if value is None or isinstance(value, str) else repr(value)


def _misplaced(rows: list[dict[str, Any]], certain: dict[str, Group], vendor: str | None) -> str:
    """Name a charger that the list shows in the wrong row, where it names chargers at all."""
    shown: dict[str, str] = {}
    for row in rows:
        ids = row.get("charger_ids")
        for charger in ids if isinstance(ids, list) else ():
            shown[str(charger)] = _printable(str(row.get("firmware_version")))
    if not shown:
        return ""
    for charger, group in certain.items():
        if vendor is not None and group[1] != vendor:
            continue
        if shown.get(charger) != group[0]:
            return f"{charger} booted with {group[0]}, listed under {shown.get(charger)}"
    return ""
