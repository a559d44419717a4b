"""Answers are kept, but not those to long texts: strangers send them."""

from __future__ import annotations

from simulator.remembering import remembered


def test_what_was_asked_before_is_not_worked_out_again() -> None:
    """The same texts, the same answer, once; other texts, another one."""
    asked: list[tuple[str, str | None]] = []

    @remembered(2, longest=10)
    def work(one: str, other: str | None) -> str:
        asked.append((one, other))
        return f"{one}+{other}"

    assert [work("a", "b"), work("a", "b"), work("a", None)] == ["a+b", "a+b", "a+None"]
    assert asked == [("a", "b"), ("a", None)]


def test_long_texts_are_worked_out_anew_each_time() -> None:
    """All texts of a question count together: one character more than `longest` is too many."""
    asked: list[int] = []

    @remembered(2, longest=10)
    def work(one: str, other: str | None) -> int:
        asked.append(len(one) + len(other or ""))
        return asked[-1]

    for question in (("x" * 5, "y" * 5), ("x" * 5, "y" * 6), ("x" * 11, None)):
        assert work(*question) == work(*question)
    assert asked == [10, 11, 11, 11, 11]
