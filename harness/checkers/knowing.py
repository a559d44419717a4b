"""What the CSMS certainly knows: a charger's end that it has acknowledged long enough ago.

A core. The counterpart of `settling`: there a stranger asks whether a charger may count as settled,
here whether the CSMS has no excuse left to think otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.settling import ENDED

if TYPE_CHECKING:
    from harness.checkers.model import Member


def known_settled(member: Member, at: float, fresh: float) -> bool:
    """Whether at time `at` the CSMS had known for `fresh` seconds that the member is settled.

    Time-outs and download failures that a retry may follow never count: only the CSMS knows when
    it gives them up, until it shows so.
    """
    shown = member.shown
    if shown is not None and shown.status in ENDED and shown.since.time <= at:
        return True
    trigger = member.triggers[-1] if member.triggers else None
    if trigger is None:
        return False
    if trigger.refused:
        return trigger.answered is not None and trigger.answered.time + fresh <= at
    if not member.ended or member.acknowledged is None or member.acknowledged.time + fresh > at:
        return False
    if member.final != "DownloadFailed":
        return True
    return trigger.retries is not None and member.download_failures >= trigger.retries + 1
