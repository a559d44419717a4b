"""Charger ids from a template: `TB-{n:04}` gives TB-0001, TB-0002, and so on. A core."""

from __future__ import annotations

import re
from string import Formatter

LONGEST_ID = 255  # characters; OCPP 2.1 wants 48, but a CSMS must cope with more
_FIELD = re.compile(r"0?[0-9]{0,2}[dxX]?")  # how `{n}` may be written: {n:04}


def template_problem(template: str, count: int) -> str | None:
    """Return what is wrong with an id template, or None."""
    try:
        fields = [field for field in Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        return f"is broken: {error}"
    for _, name, form, conversion in fields:
        if name != "n" or conversion or not _FIELD.fullmatch(form or ""):
            return "is broken: the only field is {n}, or {n:04}"
    if not fields and count > 1:
        return "needs {n}: all ids would be the same"
    longest = template.format(n=max(count, 1))
    if not 0 < len(longest) <= LONGEST_ID:
        return f"makes ids of {len(longest)} characters; 1 to {LONGEST_ID} are possible"
    return None if longest.isprintable() else "has characters that cannot be printed"


def expand(template: str, count: int) -> list[str]:
    """Return the ids of `count` chargers, numbered from 1."""
    return [template.format(n=number) for number in range(1, count + 1)]
