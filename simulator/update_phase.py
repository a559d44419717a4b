"""Where an update of a charger stands. Values."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where an update stands."""

    HELD = "held"  # accepted before the boot was: nothing may be reported yet
    WAITING = "waiting"
    DOWNLOADING = "downloading"
    PAUSED = "paused"  # the charger itself interrupts its download
    RETRYING = "retrying"
    SCHEDULED = "scheduled"  # downloaded, waits for its installation date
    BUSY = "busy"  # downloaded, waits for a transaction to end
    INSTALLING = "installing"
    AWAY = "away"
    ROLLING_BACK = "rolling back"
    OVER = "over"
