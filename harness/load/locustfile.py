"""The file that Locust runs: `locust -f locustfile.py --scenario NAME …`, or `firmdrill load`.

Chargers and the operator live on one asyncio loop in a greenlet; dashboards are Locust's users and
read the REST API as people do. Every call of either becomes a request event of Locust.
"""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any

import gevent
from locust import HttpUser, events, task
from locust.runners import WorkerRunner

from harness.load import engine
from harness.load.latency import DASHBOARD, Sample
from harness.load.verdict import LoadExit

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

READERS = engine.Readers()
FLEET_EVERY = 5  # of so many looks one is at the fleet list
NOT_YET = 0.1


def options(parser: LocustArgumentParser) -> None:
    """Add firmdrill's words to Locust's command line; workers are told by the master."""
    for word, help_, more in (
        ("--scenario", "A scenario: a file, or a shipped one.", {"default": ""}),
        ("--target-file", "A CSMS that is not ours.", {"default": ""}),
        ("--chargers", "This many instead of the scenario's own.", {"type": int}),
        ("--heartbeats", "A second, of the whole fleet.", {"type": float}),
        ("--statuses", "A second, of the whole fleet.", {"type": float}),
        ("--repeat", "Seconds for which the plan begins anew.", {"type": float}),
        ("--seed", "Instead of the scenario's own.", {"type": int}),
        ("--mutant", "Our CSMS, wrong in this way.", {"default": ""}),
        ("--report-folder", "Where the report goes.", {"default": ""}),
        ("--no-history", "Keep no merged history.", {"action": "store_true"}),
    ):
        parser.add_argument(word, help=help_, include_in_web_ui=False, **more)


def begin(environment: Environment, **_: Any) -> None:
    """Prepare this process for its part: worker, or coordinator."""
    if isinstance(environment.runner, WorkerRunner):
        environment.process_exit_code = 0  # the coordinator decides
        engine.WorkerSide(environment, READERS)
        return
    # Whatever goes wrong from here on, a run that never happened does not end with 0.
    environment.process_exit_code = int(LoadExit.NO_TRAFFIC)
    said = vars(environment.parsed_options) if environment.parsed_options else {}
    coordinator = engine.Coordinator(environment, engine.options_or_exit(said), READERS)
    heard: Any = environment.events
    heard.test_start.add_listener(lambda **_: coordinator.begin())
    heard.quitting.add_listener(lambda **_: coordinator.wind_up())


_events: Any = events
_events.init_command_line_parser.add_listener(options)
_events.init.add_listener(begin)


class Dashboard(HttpUser):
    """Somebody who watches the rollouts, and now and then the whole fleet."""

    host = "http://127.0.0.1"  # the real one is known once the run begins

    def on_start(self) -> None:
        """Begin with the first look."""
        self._looks = 0
        self._trust: str | None = None

    @task
    def look(self) -> None:
        """Read the newest rollout, or the fleet list, and wait until it is time again."""
        shown = READERS.dashboard
        if shown is None:
            gevent.sleep(NOT_YET)
            return
        begun = time.perf_counter()
        self._looks += 1
        if READERS.rollouts and self._looks % FLEET_EVERY:
            path = shown.rollout_path.replace("{rollout_id}", READERS.rollouts[-1])
            self._read(shown.api + path, shown.key, shown.ca, "rollout")
        else:
            self._read(shown.api + shown.fleet_path, shown.key, shown.ca, "fleet")
        gevent.sleep(max(0.0, shown.every - (time.perf_counter() - begun)))

    def _read(self, url: str, key: str, ca: str, name: str) -> None:
        begun = time.perf_counter()
        answer = self.client.get(
            url,
            headers={"Authorization": f"Bearer {key}"},
            name=f"{DASHBOARD} {name}",
            verify=self._authority(ca) if ca else True,
        )
        seconds = time.perf_counter() - begun
        # Not `answer.ok`: Locust's raises where no answer came at all.
        error = "" if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"  # noqa: PLR2004
        READERS.taken(Sample(DASHBOARD, f"{DASHBOARD} {name}", 0.0, seconds, error))

    def _authority(self, pem: str) -> str:
        if self._trust is None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
                file.write(pem)
            self._trust = file.name
        return self._trust
