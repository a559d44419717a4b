"""The last lines on the screen: verdict, reasons, figures, where the report is. A core."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.load.verdict import LoadRecord

MOST_REASONS = 8


def lines(record: LoadRecord) -> Iterator[str]:
    """Yield the block line by line."""
    ran, figures = record.ran, record.figures
    yield ""
    yield from _table(record)
    yield ""
    for reason in record.reasons[:MOST_REASONS]:
        yield f"{record.verdict} {reason}"
    if len(record.reasons) > MOST_REASONS:
        yield f"and {len(record.reasons) - MOST_REASONS} more reasons in the report"
    if record.warning:
        yield f"WARNING {record.warning}"
    yield f"verdict    {record.verdict} (exit {record.exit_code})"
    if record.review is not None:
        held = [r for r in record.review.judgement.results if str(r.verdict) == "PASS"]
        broken = [r.requirement.id for r in record.review.judgement.failed]
        yield f"properties {len(held)} held under load; broken: {', '.join(broken) or 'none'}"
    yield (
        f"chargers   {ran.booted} of {ran.asked} came up, in "
        f"{ran.workers or 1} process{'es' if ran.workers > 1 else ''}"
    )
    yield f"load       {figures.calls} OCPP calls in {figures.duration:.1f} s"
    yield f"report     {record.options.folder / 'load.html'}"
    yield f"reproduce  {record.options.reproduce(ran.workers)}"


def _table(record: LoadRecord) -> Iterator[str]:
    head = ("", "name", "count", "errors", "p50 ms", "p95 ms", "p99 ms", "longest")
    rows = [head] + [
        (row["type"], row["name"], str(row["count"]), str(row["errors"]), f"{row['p50']:.1f}",
         f"{row['p95']:.1f}", f"{row['p99']:.1f}", f"{row['longest']:.1f}")
        for row in record.figures.table()
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        left = "  ".join(cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True))
        right = "  ".join(
            cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)
        )
        yield f"{left}  {right}"
