"""The reference of the scenario language, written from the models themselves. A core.

`python -m simulator.scenario_reference > docs/scenario-reference.md` refreshes the page; a test
says when it is stale.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from simulator import units
from simulator.profiles import PROFILES
from simulator.quirks import QUIRKS
from simulator.scenario import MARKS, Scenario, schema
from simulator.scenario_steps import COUNTERS, STATUSES, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_HEAD = """\
# Reference of the scenario language

Generated from the models (`python -m simulator.scenario_reference`). The same descriptions are in
`scenarios/scenario.schema.json`, which an editor shows while you type; how to write a scenario is
in [scenarios.md](scenarios.md).

Durations, sizes, rates and shares carry units: `60 ms`, `30 s`, `10 min`, `2 h`, `1 d`; `512 B`,
`800 kB`, `2 MB`, `1 MiB`; `800 kB/s`; `6 %`. A plain number means seconds, bytes, bytes a second or
0..1. A *distribution* is a plain value, `{uniform: [20 s, 60 s]}`,
`{lognormal: {median: 60 ms, p95: 400 ms}}`, `{exponential: {mean: 20 min}}`, or a mixture of these,
`{mixture: [[80 %, 1 s], [20 %, {uniform: [1 min, 5 min]}]]}`. A *bound* is `40` or `>= 40` (at
least), `<= 0`, `== 3`, or a share of the fleet, `>= 85 %`.
"""
_WHERE = {
    "Firmware": "firmware", "Cohort": "fleet[]", "Network": "fleet[].network",
    "ReconnectPolicy": "fleet[].network.reconnect", "NetworkFailure": "fleet[].network.fail[]",
    "Download": "fleet[].download", "DownloadFailure": "fleet[].download.fail[]",
    "At": "fleet[].download.fail[].cut, stall, wrong_length",
    "SomeQuirk": "fleet[].quirks[]",
    "PauseOwnDownload": "fleet[].download.pause", "Install": "fleet[].install",
    "InstallFailure": "fleet[].install.fail[]", "Offline": "fleet[].offline[]",
    "Moment": "fleet[].offline[].from, until", "Transactions": "fleet[].transactions",
    "Site": "sites.<site_id>", "Heal": "heal", "Expect": "expect",
    "Load": "load", "Threshold": "load.thresholds.<name>",
}  # fmt: skip


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    whole = schema()
    yield _HEAD
    yield from _table("A scenario", Scenario.__doc__ or "", whole)
    for name, where in _WHERE.items():
        model = whole["$defs"][name]
        yield from _table(f"`{where}`", model.get("description", ""), model)
    yield from _steps()
    yield from _names("Quirks", "What `quirks:` may name.", QUIRKS)
    yield "## Known products\n"
    yield "What `profile:` may name. What a cohort says itself wins over its profile.\n"
    yield "| profile | imitates | quirks and settings | how it is known |"
    yield "|---|---|---|---|"
    for name, profile in PROFILES.items():
        settings = {**profile.download, **profile.install, **profile.reconnect}
        does = [*profile.quirks, *(f"{key}: {value}" for key, value in settings.items())]
        yield f"| `{name}` | {profile.imitates} | {_code(does)} | {profile.source} |"


def _steps() -> Iterator[str]:
    yield "## `operator[]`: steps\n"
    yield _told(
        "A step is a bare name (`- execute_stage`) or a mapping with one name and its fields; "
        "`when:` may stand beside it. `hold: 60 s`, `mark: name` and `pause: reason` are short "
        "forms."
    )
    beside = STEPS["read"].model_json_schema()
    yield from _table("Fields of every step", "", beside, level=3)
    for name, step in STEPS.items():
        own = step.model_json_schema()
        shared = beside["properties"]
        own["properties"] = {k: v for k, v in own["properties"].items() if k not in shared}
        told = " ".join((step.__doc__ or "").split())
        if own["properties"]:
            yield from _table(f"`{name}`", told, own, level=3)
        else:
            yield f"### `{name}`\n\n{_told(told)}"
    others = [counter for counter in COUNTERS if counter not in STATUSES]
    yield "### Counters and marks\n"
    yield _told(
        f"`when` and `wait: {{until: …}}` speak of {_code(others)} (messages that chargers "
        f"received or sent, and how many chargers are in a state) and of the statuses that "
        f"chargers reported: {_code(STATUSES)}."
    )
    yield _told(f"`after:` waits for {_code(MARKS)}, or for the name of a `mark` step.")


def _table(title: str, told: str, model: Mapping[str, Any], *, level: int = 2) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    if told:
        yield _told(told)
    yield "| field | form | default | meaning |"
    yield "|---|---|---|---|"
    required = model.get("required", ())
    for name, field in model["properties"].items():
        if name == "do":
            continue
        default = "*required*" if name in required else _default(field)
        yield f"| `{name}` | {_form(field)} | {default} | {field.get('description', '')} |"
    yield ""


def _names(title: str, told: str, names: Mapping[str, str]) -> Iterator[str]:
    yield f"## {title}\n\n{told}\n\n| name | meaning |\n|---|---|"
    yield from (f"| `{name}` | {meaning} |" for name, meaning in names.items())
    yield ""


def _code(words: Any) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    if default in (None, [], {}, ""):
        return ""
    if isinstance(default, dict):
        return f"`{_drawn(default)}`" if "kind" in default else "see there"
    _, write = _UNITS.get(field.get("pattern", ""), ("", str))
    return f"`{str(default).lower() if isinstance(default, bool) else write(default)}`"


def _drawn(default: Mapping[str, Any]) -> str:
    """Return a distribution of durations as a scenario would write it."""
    kind = default["kind"]
    said = {k: units.write_duration(v) for k, v in default.items() if k != "kind"}
    if kind == "fixed":
        return said["value"]
    if kind == "uniform":
        return f"{{uniform: [{', '.join(said.values())}]}}"
    return f"{{{kind}: {{{', '.join(f'{key}: {value}' for key, value in said.items())}}}}}"


def _told(text: str) -> str:
    """Return a paragraph in lines of the page's width; code is not broken, links may be."""
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    return textwrap.fill(whole, _WIDTH, break_on_hyphens=False).replace("\0", " ") + "\n"


def _form(field: Mapping[str, Any]) -> str:
    """Return what may be written, in a few words."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        values = field["enum"]
        return "a name" if len(values) > _MANY else " \\| ".join(f"`{value}`" for value in values)
    if "$ref" in field:
        return f"`{_WHERE[field['$ref'].rsplit('/', 1)[-1]]}`"
    if "anyOf" in field or "oneOf" in field:
        options = field.get("anyOf", field.get("oneOf", []))
        forms = [_form(option) for option in options if option.get("type") != "null"]
        return "distribution" if len(forms) > _FORMS else " \\| ".join(dict.fromkeys(forms))
    if field.get("type") == "array":
        return f"list of {_form(field['items'])}"
    if field.get("pattern") in _UNITS:
        return _UNITS[field["pattern"]][0]
    return _SIMPLE.get(str(field.get("type")), "bound" if "examples" in field else "mapping")


_WIDTH = 110
_MANY = 9  # more names than this are listed in a table of their own
_FORMS = 4  # only distributions can be written in more ways
_UNITS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    units.DURATION_SCHEMA["pattern"]: ("duration", units.write_duration),
    units.OFFSET_SCHEMA["pattern"]: ("duration", units.write_offset),
    units.SIZE_SCHEMA["pattern"]: ("size", units.write_size),
    units.RATE_SCHEMA["pattern"]: ("rate", units.write_rate),
    units.SHARE_SCHEMA["pattern"]: ("share", units.write_share),
}
_SIMPLE = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "`true` \\| `false`",
}

if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  the page is the output
