"""The scheduler of virtual time: the order of everything, and time that never steps back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simulator.virtual import Scheduler, Timer
from tests.simulator.lab import Lab

# What a callback schedules: (delay, what that schedules in turn), and whether it is cancelled.
plans: st.SearchStrategy[Any] = st.recursive(
    st.just([]),
    lambda inner: st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 0.0, 1.0, 2.0]), inner, st.booleans()), max_size=4
    ),
    max_leaves=25,
)


def ideal(plan: Any) -> list[tuple[float, int]]:
    """Return (time, number) in the order in which a plain sorted list runs the callbacks."""
    waiting: list[tuple[float, int, Any]] = []
    now, count, ran = 100.0, 0, list[tuple[float, int]]()

    def put(children: Any) -> None:
        nonlocal count
        for delay, inner, cancelled in children:
            count += 1
            if not cancelled:
                waiting.append((max(now + delay, now), count, inner))

    put(plan)
    while waiting:
        waiting.sort(key=lambda entry: entry[:2])
        now, number, inner = waiting.pop(0)
        ran.append((now, number))
        put(inner)
    return ran


@given(plans)
def test_callbacks_run_by_time_and_then_in_the_order_of_scheduling(plan: Any) -> None:
    """What is due at once waits elsewhere than the rest, and nobody can tell."""
    scheduler, ran, count = Scheduler(100.0), list[tuple[float, int]](), 0

    def put(children: Any) -> None:
        nonlocal count
        for delay, inner, cancelled in children:
            count += 1
            timer = scheduler.at(scheduler.now + delay, run, (count, inner))
            if cancelled:
                timer.cancel()

    def run(entry: tuple[int, Any]) -> None:
        ran.append((scheduler.now, entry[0]))
        put(entry[1])

    put(plan)
    while (upcoming := scheduler.upcoming()) is not None:
        assert upcoming >= scheduler.now
        assert scheduler.step()
        assert scheduler.now == upcoming
    assert not scheduler.step()
    assert ran == ideal(plan)


def test_an_interjection_comes_before_everything_else() -> None:
    """Also before what is due at once, the latest first."""
    scheduler, ran = Scheduler(0.0), list[str]()
    scheduler.at(0.0, lambda _: ran.append("due"))
    scheduler.at(1.0, lambda _: ran.append("later"))
    scheduler.interject(lambda _: ran.append("first"))
    scheduler.interject(lambda _: ran.append("second"))
    while scheduler.step():
        pass
    assert ran == ["second", "first", "due", "later"]


def test_a_wait_that_fails_takes_its_time() -> None:
    """At the deadline the time is the deadline, and what lies behind it has not happened."""
    scheduler, ran = Scheduler(0.0), list[str]()
    scheduler.at(5.0, lambda _: ran.append("late"))
    assert scheduler.run(until=lambda: bool(ran), deadline=3.0) is False
    assert (scheduler.now, ran) == (3.0, [])
    assert scheduler.run(until=lambda: bool(ran), deadline=9.0) is True
    assert (scheduler.now, ran) == (5.0, ["late"])
    assert isinstance(scheduler.at(0.0, print), Timer)
    assert scheduler.upcoming() == 5.0


def test_who_knocks_at_an_open_door_goes_at_once() -> None:
    """The CSMS hears of the end, the charger of nothing."""
    lab = Lab()
    lab.fleet.knock("CP-1", "missing", None)
    assert [(kind, text) for _, kind, text in lab.log] == [
        ("open", {"credentials": "missing", "subprotocol": "ocpp1.6"}),
        ("close", {"code": 1000, "reason": "it only knocked"}),
    ]
    assert (lab.csms.connection, lab.csms.closings) == (None, 1)
    assert not lab.charger.online
    assert lab.boot().charger.online


def test_who_knocks_at_a_closed_door_is_told_the_status() -> None:
    """What was wrong with the password stands beside it."""
    lab = Lab()
    lab.csms.refuse = [401]
    lab.fleet.knock("CP-1", "wrong", "x")
    told = {"credentials": "wrong", "status": 401}
    assert [(kind, data) for _, kind, data in lab.log] == [("refused", told)]
    assert lab.csms.closings == 0
