"""`report.json`: the run record and what the picture adds, in a fixed order. A core."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.report.picture import Picture
    from harness.run_record import RunRecord


def report_json(run: RunRecord, seen: Picture) -> str:
    """Return the text of report.json; the schema is documented in docs/reading-a-report.md."""
    latencies = {
        row.name: {
            "count": row.count,
            "p50_ms": round(row.p50, 3),
            "p95_ms": round(row.p95, 3),
            "p99_ms": round(row.p99, 3),
            "max_ms": round(row.worst, 3),
        }
        for row in seen.latencies
    }
    pauses = [{"began": round(a, 6), "ended": round(b, 6)} for a, b in seen.pauses]
    body = run.to_dict() | {
        "duration": round(seen.duration, 6),
        "pauses": pauses,
        "latencies": latencies,
        "failed_chargers": dict(sorted(seen.failures.items())),
    }
    return json.dumps(body, indent=2, ensure_ascii=True, default=str) + "\n"
