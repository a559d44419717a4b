"""Run the benchmarks and publish them: `python benchmarks/run.py [name ...] [--quick]`.

Every module beside this one that has a `TITLE` is a benchmark. It also has a `REASON` (what was
chosen because of it, by hand) and `main(*, quick) -> rows` of one table. Yardsticks run in the same
call as what they measure, so that ratios mean something on any machine. Results are kept in
reports/benchmarks.json and shown in reports/benchmarks.md; a run of some benchmarks leaves the
others' last results in place.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

HERE = Path(__file__).resolve().parent
REPORTS = HERE.parent / "reports"
JSON = REPORTS / "benchmarks.json"
MARKDOWN = REPORTS / "benchmarks.md"


def names() -> list[str]:
    """Return the benchmarks there are; a module without a TITLE measures something else."""
    return sorted(
        path.stem
        for path in HERE.glob("[!_]*.py")
        if "\nTITLE = " in path.read_text(encoding="utf-8")
    )


def load(name: str) -> ModuleType:
    """Import one benchmark."""
    return importlib.import_module(f"benchmarks.{name}")


def measure(name: str, *, quick: bool) -> dict[str, Any]:
    """Run one benchmark and return what is kept of it."""
    print(f"== {name}", flush=True)
    begun = time.monotonic()
    rows = load(name).main(quick=quick)
    return {
        "rows": rows,
        "seconds": round(time.monotonic() - begun, 1),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "quick": quick,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    if not rows:
        return "(nothing measured)"
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[str(row.get(column, "")) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def section(name: str, result: dict[str, Any]) -> str:
    """Return one benchmark's part of the report."""
    module = load(name)
    how = inspect.cleandoc(module.__doc__ or "")
    stamp = (
        f"`python benchmarks/run.py {name}{' --quick' if result['quick'] else ''}` · "
        f"{result['machine']} · {result['date']} · {result['seconds']} s"
    )
    parts = [f"## {module.TITLE}", how, table(result["rows"]), stamp]
    parts += [inspect.cleandoc(module.REASON)] if module.REASON else []
    return "\n\n".join(parts)


def publish(fresh: dict[str, Any]) -> None:
    """Write both files: the fresh results, and the kept ones of all other benchmarks."""
    REPORTS.mkdir(exist_ok=True)
    kept = json.loads(JSON.read_text(encoding="utf-8")) if JSON.exists() else {}
    results = kept | fresh
    ordered = dict(sorted(results.items()))  # the columns stay as the rows have them
    JSON.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    head = (
        "# Benchmarks\n\nMade by `python benchmarks/run.py`; edit the modules in `benchmarks/`, "
        "not this file. Absolute figures depend on the machine, ratios hardly."
    )
    parts = [section(name, results[name]) for name in names() if name in results]
    MARKDOWN.write_text("\n\n".join([head, *parts]) + "\n", encoding="utf-8")


def main() -> int:
    """Run what was asked for; 2 for an unknown name."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and publish them.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(names())}")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works")
    parser.add_argument("--no-publish", action="store_true", help="only print the tables")
    parser.add_argument("--render", action="store_true", help="measure nothing, show what is kept")
    options = parser.parse_args()
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if options.render:
        publish({})
        return 0
    for name in options.names or names():
        result = measure(name, quick=options.quick)
        print(table(result["rows"]), flush=True)
        if not options.no_publish:
            publish({name: result})
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    sys.exit(main())
