"""The decisions of the contract: how the judge reads what the published API leaves open. Values.

A target's profile may leave one open (`{D6: any}`), or change the numbers of those that have some.
"""

from __future__ import annotations

DECISIONS: dict[str, str] = {
    "D1": "Execute-stage is refused while a charger of the current stage has not ended, and names "
    "whom it waits for",
    "D2": "Resuming triggers exactly those chargers of the stage that were not triggered yet",
    "D3": "Resuming never passes a stage that has not ended",
    "D4": "Execute-stage on a paused rollout whose stage has ended begins the next one",
    "D5": "A stage that has ended is completed if any charger succeeded, else failed; the rollout "
    "waits for the next execute-stage",
    "D6": "A canary stage without one success ends the rollout as failed",
    "D7": "A rollout ends by itself with its last charger: completed if any succeeded, else "
    "failed; a `failure_threshold` that is exceeded when a stage ends makes it fail",
    "D8": "A rollout that is over refuses execute-stage and pause",
    "D9": "A pause of a pending rollout is refused; one of a paused rollout changes nothing and is "
    "answered with the first time and reason",
    "D10": "A pause is answered once nothing more can leave",
    "D11": "A charger that is offline is triggered when it is back and its boot was accepted, not "
    "during a pause; `offline_timeout` counts only while its stage runs",
    "D12": "A charger that was triggered and says nothing for `update_timeout` has failed, also "
    "during a pause; every status starts the time anew, and it does not start before the retrieve "
    "date",
    "D13": "A charger has one update at a time: create and execute-stage refuse one that is in a "
    "running stage of another rollout",
    "D14": "A create that makes no sense is refused: no chargers, one named twice, an unknown "
    "strategy",
    "D15": "Sizes of stages beyond the fleet are cut to it; ones below 1, or of another strategy, "
    "are refused",
    "D16": "Without `batch_size` a batch is a tenth of the chargers, rounded up",
    "D17": "Stages keep the order of the request",
    "D18": "Without `retrieve_date` the command carries the moment at which it is sent",
    "D19": "The same `Idempotency-Key` is the same request; of execute-stage calls that overlap "
    "one wins",
    "D20": "A charger that refuses the command has failed, and nobody else",
    "D21": "A command that may have been lost is sent again only after the charger, asked, has "
    "answered Idle",
    "D22": "Statuses that come late, fall behind or belong to no update change nothing",
    "D23": "A boot with the new version means success where a lost Installed left it open, one "
    "with the old version after Installed a mismatch",
    "D24": "A charger that is removed from the CSMS has failed",
    "D25": "Which of its published statuses a charger shows for which OCPP status; installing and "
    "rebooting are one rank",
    "D26": "`progress_percent` never falls and is 100 for installed chargers only",
    "D27": "Times are RFC 3339 in UTC, true and written once",
    "D28": "An unknown rollout is 404, and no known one is",
    "D29": "Cancelling, retrying and removing are extensions",
    "D30": "`retries: 2` is three attempts. A failed download is final after the last one, or "
    "without a new attempt within 1.5 `retry_interval` + 30 s",
    "D31": "Execute-stage is answered once its commands have left, and lists whom they went to",
    "D32": "At most `max_in_flight` chargers update at a time; the next follows when one has ended",
    "D33": "Labels and statuses of stages; a pause shows in the status of the rollout alone",
    "D34": "How fast a target has to be: `http` to answer, `dispatch` to send a stage's commands "
    "(and `dispatch_per_charger` for each), `freshness` until a GET shows what a charger was "
    "answered",
    "D35": "Every timer survives a restart",
}
INERT = frozenset({"D2", "D3", "D10", "D20", "D24", "D29", "D35"})
"""Decisions on which no finding hangs alone: to name one in a profile would change nothing."""
