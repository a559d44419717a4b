"""What a scenario says about load: how the fleet arrives, who else looks, and what is too slow.

A core. Only `firmdrill load` reads it; any other command runs the same scenario without.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from simulator.faults import Frozen
from simulator.units import Count, Duration, Interval, Share


class Threshold(Frozen):
    """What the samples of one name may be at most."""

    p50: Duration | None = Field(None, description="Half of them are at most this slow.")
    p95: Duration | None = Field(None, description="95 of 100 are at most this slow.")
    p99: Duration | None = Field(None, description="99 of 100 are at most this slow.")
    longest: Duration | None = Field(None, description="All of them are at most this slow.")
    errors: Share | None = Field(None, description="Share that may go without a good answer.")

    def model_post_init(self, _: Any) -> None:
        """Refuse a threshold that nothing can break."""
        if not self.model_fields_set:
            raise ValueError("what may it be at most? give p50, p95, p99, longest or errors")


class Load(Frozen):
    """How much, how fast, and what is too slow."""

    connect_rate: float = Field(
        500.0, gt=0.0, description="Chargers a second that are powered on (a storm: very many)."
    )
    boot_within: Duration = Field(
        60.0, description="How long after the last power-on the fleet may take to be accepted."
    )
    heartbeats: float = Field(
        0.0, ge=0.0, description="Heartbeats a second that the fleet sends beside everything else."
    )
    statuses: float = Field(
        0.0, ge=0.0, description="StatusNotifications a second that the fleet sends as well."
    )
    readers: Count = Field(2, ge=0, description="Dashboards that read rollouts and the fleet list.")
    read_every: Interval = Field(1.0, description="How often each of them reads.")
    repeat: Duration = Field(
        0.0, description="The operator's plan begins anew until this much time has passed."
    )
    thresholds: dict[str, Threshold] = Field(
        {},
        description="By name: an OCPP action, a request (`create`, `execute_stage`, `pause`, "
        "`read`, `fleet`), `dashboard`, or a time (`connect`, `boot`, `dispatch`, `heartbeat`, "
        "`status`), or `all`.",
    )
