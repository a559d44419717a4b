"""C04: how often and how soon a charger tries a failed download again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from harness.checkers.base import Checker, sees
from harness.checkers.charger_rules import charger_rule
from harness.checkers.facts import Reported, Served

if TYPE_CHECKING:
    from harness.checkers.model import Trigger
    from harness.checkers.view import View
    from harness.history import Event

SHARE = 0.9  # of retryInterval: timers round
BLUR = 5.0  # seconds by which a charger's own latency may shift its statuses against each other
QUEUED = 4  # statuses that may wait for one another, a round trip each
ENDED_BY_SERVER = frozenset({"cut", "status"})


class C04(Checker):
    """Retries.

    The interval is measured where nothing blurs it, by the server's clock: from the end of a
    request that the server broke off to the beginning of the next (its end, in histories whose
    server did not tell when requests came). Without a server's log the statuses have to do, with
    room for the charger's latency.
    """

    requirement = charger_rule(
        "C04",
        "Retries",
        "A failed download is tried again as often as the command says, in either reading of "
        "retries, and not sooner than retryInterval.",
        "OCPP 1.6 6.55 (errata 3.50); OCPP 2.0.1 L01.FR.30",
    )

    def __init__(self) -> None:
        """Start with no attempts."""
        super().__init__()
        self._retries: Counter[Trigger] = Counter()
        self._failed: dict[Trigger, Event] = {}
        self._heard: dict[Trigger, int] = {}  # index of its last report here
        self._tardy: set[Trigger] = set()  # the failure was told after a reconnect: who knows when
        self._ended: dict[tuple[str, str], Event] = {}  # client, path: the server broke it off

    @sees(Served)
    def served(self, view: View, fact: Served) -> None:
        """Measure the time between two requests of a client for one image."""
        client, line = unquote(fact.client), fact.event.data
        key = (client, fact.url_path)
        before = self._ended.pop(key, None)
        if str(line.get("outcome")) in ENDED_BY_SERVER:
            self._ended[key] = fact.event
        trigger = _command(view, client, fact.url_path)
        if before is None or trigger is None or trigger.retry_interval is None:
            return
        self.exercised += 1
        waited = _began(fact.event) - _server_time(before)
        if waited < SHARE * trigger.retry_interval:
            self.accuse(
                view,
                who=client,
                charger=client,
                expected=f"{trigger.retry_interval:.0f} s between attempts",
                seen=f"the next request {_came(fact.event)} {waited:.2f} s after the server broke "
                "one off",
                events=(trigger.event, before, fact.event),
            )

    @sees(Reported, about=("DownloadFailed", "Downloading"))
    def reported(self, view: View, fact: Reported) -> None:
        """Count the retries that a charger reports: each begins anew after a DownloadFailed."""
        trigger = fact.trigger
        if trigger is None:
            return
        heard = self._heard.get(trigger, trigger.event.index)
        self._heard[trigger] = fact.event.index
        if fact.status == "DownloadFailed":
            connection = fact.station.connection
            if connection is not None and connection.opened.index > heard:
                self._tardy.add(trigger)
            self._failed[trigger] = fact.event
        if fact.status != "Downloading":
            return
        failed = self._failed.pop(trigger, None)
        tardy = trigger in self._tardy
        self._tardy.discard(trigger)
        if trigger.retries is None or failed is None:
            return  # a repeated Downloading, or one after a pause, is no new attempt
        self._retries[trigger] += 1
        self.exercised += 1
        waited = fact.event.time - failed.time
        interval = trigger.retry_interval or 0.0
        problem = ""
        if waited < SHARE * interval - _room(trigger) and view.timed and not tardy:
            problem = f"Downloading {waited:.1f} s after DownloadFailed"
        if self._retries[trigger] > trigger.retries:
            problem = f"retry {self._retries[trigger]}"
        if problem:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected=f"at most {trigger.retries} retries, {interval:.0f} s apart",
                seen=problem,
                events=(trigger.event, failed, fact.event),
            )


def _command(view: View, client: str, path: str) -> Trigger | None:
    """Return the latest command of a charger that named this path."""
    station = view.stations.get(client)
    for trigger in reversed(station.triggers if station else []):
        if urlsplit(trigger.location).path == path:
            return trigger
    return None


def _came(event: Event) -> str:
    return "came" if "began" in event.data else "was over"


def _began(event: Event) -> float:
    """Return when a request came, by the server's clock; in older histories, when it ended."""
    began = event.data.get("began")
    return float(began) if isinstance(began, int | float) else _server_time(event)


def _server_time(event: Event) -> float:
    """Return when a request ended, by the server's clock where its line tells."""
    time = event.data.get("time")
    return float(time) if isinstance(time, int | float) else event.time


def _room(trigger: Trigger) -> float:
    """Return by how many seconds statuses may be shifted, by what the command's answer took."""
    trip = trigger.answered.time - trigger.event.time if trigger.answered is not None else 0.0
    return max(BLUR, QUEUED * trip)
