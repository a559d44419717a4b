"""Lines leave in order, whole, and without waiting for whoever reads them."""

from __future__ import annotations

import io
import json
import os
import threading

import pytest

from simulator.line_writer import LineWriter


def test_lines_leave_in_order_and_are_one_line_each() -> None:
    """Whatever is in a value, a line stays one line of ASCII."""
    stream = io.StringIO()
    writer = LineWriter(stream)
    for number in range(100):
        writer.write({"number": number, "text": "a\nb\x1b\u2028\ud800"})
    writer.text("raw\n")
    writer.close()
    lines = stream.getvalue().split("\n")
    assert stream.getvalue().isascii()
    assert [json.loads(line)["number"] for line in lines[:100]] == list(range(100))
    assert lines[100:] == ["raw", ""]


@pytest.mark.timeout(20)
def test_writing_does_not_wait_for_a_reader() -> None:
    """More than a pipe holds can be queued while nobody reads; later it all arrives."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as reader:
        writer = LineWriter(stream)
        for _ in range(100):
            writer.text("x" * 9_999 + "\n")
        got = [reader.readline() for _ in range(100)]
        writer.close()
    assert got == ["x" * 9_999 + "\n"] * 100


@pytest.mark.timeout(20)
def test_a_reader_that_goes_away_is_noticed() -> None:
    """`lost` is called although nothing is written."""
    reading, writing = os.pipe()
    lost = threading.Event()
    with os.fdopen(writing, "w") as stream:
        writer = LineWriter(stream, lost=lost.set)
        os.close(reading)
        assert lost.wait(10)
        writer.close()
