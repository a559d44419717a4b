"""Every case for chargers, in the order in which they run."""

from __future__ import annotations

from harness.suites import charger_failing, charger_second, charger_updating
from harness.suites.charger_cases import CASES, Case

__all__ = ["all_cases", "charger_failing", "charger_second", "charger_updating", "chosen"]


ORDER = ("update", "dates", "download", "connection", "power", "second", "trigger", "transaction",
         "availability", "wire", "security")  # fmt: skip


def all_cases() -> list[Case]:
    """Return all cases; the one that wants a charger without a past comes first."""

    def place(one: Case) -> tuple[bool, int, int]:
        group, _, number = one.id.partition("/")
        return one.id != "trigger/1", ORDER.index(group), int(number)

    return sorted(CASES.values(), key=place)


def chosen(prefixes: tuple[str, ...]) -> list[Case]:
    """Return the cases whose id, or one of whose aliases, begins with one of these."""

    def wanted(one: Case) -> bool:
        return any(name.startswith(prefixes) for name in (one.id, *one.aliases))

    return [one for one in all_cases() if not prefixes or wanted(one)]
