"""Kill the CSMS with SIGKILL at bad moments, restart it, and keep score of every promise.

`Campaign(seed, kills, folder).run()` starts `python -I -m reference_csms` on a database file, plays
a fleet of honest OCPP 2.0.1 stations and an operator against it, kills it again and again, and
returns a `Score`. What the stations *received* is the truth; what the CSMS says is judged by it.

    python -m tests.crash_campaign --kills 300 --seed 1        # the long campaign, with figures
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.crash_station import Station

KEY = "crash-campaign-key"
OPEN = {"pending", "in_progress", "paused"}


@dataclass
class Score:
    """What happened, and every broken promise in words."""

    kills: int = 0
    rollouts: int = 0
    updates: int = 0
    pauses: int = 0
    asked: int = 0
    idle: int = 0
    answers_lost: int = 0
    violations: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    # What the process was doing when it died.
    moments: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def text(self) -> str:
        """Return the figures in one line."""
        moments = ", ".join(f"{name} {times}" for name, times in sorted(self.moments.items()))
        ends = ", ".join(f"{name} {times}" for name, times in sorted(self.ends.items()))
        return (
            f"{self.kills} kills ({moments}); {self.rollouts} rollouts, {self.updates} updates "
            f"received, {self.pauses} pauses held, {self.asked} questions ({self.idle} answered "
            f"Idle), {self.answers_lost} REST answers lost; chargers ended: {ends}; "
            f"{len(self.violations)} violations; {self.seconds:.0f} s"
        )


class Campaign:
    """One database, many lives."""

    def __init__(
        self,
        seed: int,
        kills: int,
        folder: str,
        *,
        stations: int = 12,
        program: tuple[str, ...] = ("-I", "-m", "reference_csms"),
    ) -> None:
        """`program`: what Python runs; a test of the campaign itself gives a broken CSMS."""
        self.seed, self.kills, self.folder, self.program = seed, kills, folder, program
        self.random = random.Random(f"{seed}/operator")
        self.score = Score()
        self.stations = [Station(self, f"ST-{number:02}") for number in range(stations)]
        self.process: asyncio.subprocess.Process | None = None
        self.port = self.ocpp_port = 0
        # What was promised: rollouts that exist, and those that are silent since an answered pause.
        self.promised: dict[str, str] = {}
        self.silent: set[str] = set()
        self.finished: dict[str, str] = {}
        # Set while a kill is armed: the moment to strike at, and how many to let pass.
        self.target = ""
        self.countdown = 0
        self.dead = asyncio.Event()

    # ---------------------------------------------- what is judged

    def broken(self, words: str) -> None:
        """Note a broken promise."""
        self.score.violations.append(f"after {self.score.kills} kills: {words}")

    def received(self, station: Station, url: str) -> None:
        """Judge a command that a station has received."""
        self.score.updates += 1
        station.got[url] += 1
        if station.got[url] > 1:
            self.broken(f"{station.name} was sent {url} twice")
        if url in self.silent:
            self.broken(f"{station.name} was sent {url} during a pause")
        if self.finished.get(url):
            self.broken(f"{station.name} was sent {url}, which is over")

    def moment(self, name: str) -> None:
        """Strike if this is the moment that was aimed at."""
        if name == self.target and self.process is not None:
            self.countdown -= 1
            if self.countdown <= 0:
                self.kill(name)

    def kill(self, moment: str) -> None:
        """SIGKILL: no handler, no flush, no goodbye."""
        if self.process is None or self.process.returncode is not None or self.dead.is_set():
            return
        self.target = ""
        self.process.send_signal(signal.SIGKILL)
        self.score.kills += 1
        self.score.moments[moment] += 1
        self.dead.set()

    # ---------------------------------------------- the process

    async def start(self) -> None:
        """Start the CSMS on the same database and, from the second time, the same ports."""
        command = [sys.executable, *self.program, "--batch", "2"]
        command += ["--database", f"{self.folder}/csms.sqlite", "--call-timeout", "1"]
        command += ["--port", str(self.port), "--ocpp-port", str(self.ocpp_port)]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "FIRMDRILL_API_KEY": KEY},
        )
        assert self.process.stdout is not None
        ready = json.loads(await asyncio.wait_for(self.process.stdout.readline(), 30))
        self.port = int(ready["api"].split(":")[2].split("/")[0])
        self.ocpp_port = int(ready["ocpp"].split(":")[2].split("/")[0])
        self.dead.clear()

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the API; (0, None) when no answer came: the outcome is unknown."""
        url = f"http://127.0.0.1:{self.port}{path}"
        head = {"Authorization": f"Bearer {KEY}"}
        try:
            async with self.http.request(method, url, json=body, headers=head) as answer:
                told = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            self.score.answers_lost += 1
            return 0, None
        if answer.status >= 500:
            self.broken(f"{method} {path} was answered {answer.status}: {told}")
        return answer.status, told

    # ---------------------------------------------- the operator

    async def operate(self) -> None:
        """Do one random thing."""
        running = [one for one, url in self.promised.items() if url not in self.finished]
        if len(running) < 2 and self.random.random() < 0.5:
            await self.create()
        elif running:
            chosen = self.random.choice(running)
            act = self.random.choice([self.execute, self.execute, self.pause, self.read])
            await act(chosen)
        await asyncio.sleep(self.random.uniform(0.0, 0.05))

    async def create(self) -> None:
        """Plan a rollout over some stations; its URL is its name."""
        ids = [station.name for station in self.stations]
        self.random.shuffle(ids)
        url = f"https://images.example/{self.seed}/{self.score.rollouts}.bin"
        self.score.rollouts += 1
        strategy = self.random.choice(["rolling", "all_at_once", "canary"])
        body: dict[str, Any] = {"charger_ids": ids[: self.random.randint(2, len(ids))]}
        body |= {"firmware_url": url, "strategy": strategy, "retry_interval": 0}
        if self.random.random() < 0.5:
            body["max_in_flight"] = self.random.randint(1, 3)
        if strategy == "rolling":
            body["batch_size"] = 4
        status, told = await self.ask("POST", "/api/v1/cpo/firmware/rollout", body)
        if status == 201:
            self.promised[told["rollout_id"]] = url
            self.moment("create answered")

    async def execute(self, rollout_id: str) -> None:
        """Call execute-stage; from here on the rollout need not be silent."""
        url = self.promised[rollout_id]
        self.silent.discard(url)
        path = f"/api/v1/cpo/firmware/rollout/{rollout_id}/execute-stage"
        if self.target == "during dispatch":
            # Between intent, frame, answer and reply: these take a few milliseconds.
            delay = self.random.uniform(0.0, 0.02)
            asyncio.get_running_loop().call_later(delay, self.moment, "during dispatch")
        status, told = await self.ask("POST", path)
        if status == 200:
            if told["executed_stage"] < 1 or told["status"] == "pending":
                self.broken(f"execute-stage of {rollout_id} was answered {told}")
            self.moment("execute answered")
        elif status == 404:
            self.broken(f"{rollout_id} was created and is gone")

    async def pause(self, rollout_id: str) -> None:
        """Pause; once answered and the sockets are drained, silence is promised."""
        path = f"/api/v1/cpo/firmware/rollout/{rollout_id}/pause"
        status, told = await self.ask("POST", path, {"reason": "crash campaign"})
        if status != 200:
            return
        if (told["status"], told["reason"]) != ("paused", "crash campaign"):
            self.broken(f"the pause of {rollout_id} was answered {told}")
        self.score.pauses += 1
        self.moment("pause answered")
        # Frames written before the answer are in our socket buffers by now: read them first.
        for _ in range(5):
            await asyncio.sleep(0.01)
        self.silent.add(self.promised[rollout_id])

    async def read(self, rollout_id: str) -> None:
        """Read a rollout and hold it against what was promised."""
        url = self.promised[rollout_id]
        before = self.holders(url)
        status, told = await self.ask("GET", f"/api/v1/cpo/firmware/rollout/{rollout_id}")
        if status == 0:
            return
        if status != 200:
            self.broken(f"{rollout_id} was created and is gone ({status})")
            return
        if url in self.silent and told["status"] not in {"paused", "completed", "failed"}:
            self.broken(f"{rollout_id} is {told['status']} although it was paused")
        if told["status"] not in OPEN:
            self.finished[url] = told["status"]
        self.compare(url, told, before)

    def holders(self, url: str) -> set[str]:
        """Return the stations that have received the command of this rollout by now."""
        return {station.name for station in self.stations if station.got[url]}

    def compare(self, url: str, told: dict[str, Any], before: set[str]) -> None:
        """Hold what the CSMS shows against what the stations did, `before` the question."""
        shown = {
            one["charge_point_id"]: one for stage in told["stages"] for one in stage["chargers"]
        }
        for station in self.stations:
            if station.name not in shown:
                continue
            status = shown[station.name]["status"]
            if station.name in before and status == "pending":
                self.broken(f"{station.name} received {url} and is shown as pending")
            if status == "installed" and station.ended.get(url) not in {"Installed", None}:
                self.broken(f"{station.name} failed {url} and is shown as installed")
            if status == "installed" and not station.got[url]:
                self.broken(f"{station.name} never received {url} and is shown as installed")
            if station.ended.get(url) == "Installed" and status == "failed":
                self.broken(f"{station.name} installed {url} and is shown as failed")

    # ---------------------------------------------- the campaign

    async def life(self) -> None:
        """Let the CSMS live until a moment that was chosen to hurt."""
        aims = ["frame received", "status acknowledged", "create answered", "execute answered",
                "pause answered", "during dispatch", "during dispatch", "any"]  # fmt: skip
        self.target = self.random.choice(aims)
        self.countdown = 1 if self.target == "during dispatch" else self.random.randint(1, 6)
        late = asyncio.get_running_loop().call_later(
            self.random.uniform(0.1, 0.8) if self.target == "any" else 2.0, self.kill, "any"
        )
        while not self.dead.is_set():
            await self.operate()
        late.cancel()
        assert self.process is not None
        await self.process.wait()
        await self.start()
        for rollout_id in list(self.promised):
            if self.promised[rollout_id] not in self.finished:
                await self.read(rollout_id)

    async def run(self) -> Score:
        """Run the campaign, then let everything come to its end and judge that too."""
        begun = time.monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as self.http:
            await self.start()
            chargers = [{"charge_point_id": station.name} for station in self.stations]
            await self.ask("POST", "/ext/v1/chargers", {"chargers": chargers})
            lives = [asyncio.create_task(station.live()) for station in self.stations]
            try:
                while self.score.kills < self.kills:
                    await self.life()
                await self.settle()
            finally:
                for task in lives:
                    task.cancel()
                await asyncio.gather(*lives, return_exceptions=True)
                if self.process is not None and self.process.returncode is None:
                    self.process.terminate()
                    await self.process.wait()
        self.score.seconds = time.monotonic() - begun
        return self.score

    async def settle(self) -> None:
        """Heal: no more kills; every rollout must come to an end."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            running = [one for one, url in self.promised.items() if url not in self.finished]
            if not running:
                break
            for rollout_id in running:
                await self.execute(rollout_id)
                await self.read(rollout_id)
            await asyncio.sleep(0.2)
        else:
            self.broken("some rollouts never ended")
        for rollout_id, url in self.promised.items():
            before = self.holders(url)
            _, told = await self.ask("GET", f"/api/v1/cpo/firmware/rollout/{rollout_id}")
            self.compare(url, told, before)
            for stage in told["stages"]:
                for one in stage["chargers"]:
                    self.score.ends[one.get("reason") or one["status"]] += 1


def main() -> int:
    """Run a campaign from the command line and print its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        score = asyncio.run(Campaign(options.seed, options.kills, folder).run())
    sys.stdout.write("\n".join([score.text(), *score.violations, ""]))
    return 1 if score.violations else 0


if __name__ == "__main__":
    sys.exit(main())
