"""Wrong decisions about what a CSMS shows of rollouts and the fleet, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.mutants.registry import wrong
from reference_csms import rollout_plan, service_rollouts, service_views
from reference_csms.model import Reply, RolloutStatus, StageStatus
from reference_csms.service_fleet import FleetIndex

if TYPE_CHECKING:
    from harness.mutants.patching import Patch


@wrong("R10", "R07", "R27", "R43", "R44", "R08")
def executed_stage_is_the_next(patch: Patch) -> None:
    """Execute-stage names the stage after the one that it began."""
    body = service_views.executed_body

    def next_one(live: Any, dispatch: Any) -> dict[str, Any]:
        shown = body(live, dispatch)
        return shown | {"executed_stage": shown["executed_stage"] + 1}

    from reference_csms import service_dispatch  # noqa: PLC0415 - where it is called from

    patch.attribute(service_dispatch, "executed_body", next_one)


@wrong("R01")
def stages_lose_their_last_charger(patch: Patch) -> None:
    """GET leaves out the last charger of each stage of several."""
    stage = service_views._stage_body  # noqa: SLF001 - the decision under mutation

    def shorter(live: Any, number: int) -> dict[str, Any]:
        body = stage(live, number)
        if len(body["chargers"]) > 1:
            body["chargers"].pop()
        return body

    patch.attribute(service_views, "_stage_body", shorter)


@wrong("R01", "R44")
def total_is_off_by_one(patch: Patch) -> None:
    """The answer to create counts one charger too many."""
    body = service_views.created_body

    def more(live: Any) -> dict[str, Any]:
        shown = body(live)
        return shown | {"total_chargers": shown["total_chargers"] + 1}

    patch.attribute(service_rollouts, "created_body", more)


@wrong("R33", "L3")
def stage_completes_with_its_first(patch: Patch) -> None:
    """A stage is called completed as soon as one charger of it is."""
    status = service_views.stage_status

    def soon(live: Any, stage: Any) -> StageStatus:
        return StageStatus.COMPLETED if stage.installed else status(live, stage)

    patch.attribute(service_views, "stage_status", soon)


@wrong("L3")
def last_stage_is_left_in_progress(patch: Patch) -> None:
    """The end of a rollout is written down, and that of its last stage forgotten."""
    status = service_views.stage_status

    def left(live: Any, stage: Any) -> StageStatus:
        last = live.head.terminal and stage.number == live.head.current_stage
        return StageStatus.IN_PROGRESS if last else status(live, stage)

    patch.attribute(service_views, "stage_status", left)


@wrong("R33")
def failed_stage_is_called_completed(patch: Patch) -> None:
    """A stage in which everybody failed is called completed, for nothing is left to do in it."""
    status = service_views.stage_status

    def done(live: Any, stage: Any) -> StageStatus:
        shown = status(live, stage)
        return StageStatus.COMPLETED if shown is StageStatus.FAILED else shown

    patch.attribute(service_views, "stage_status", done)


@wrong("R33")
def stages_are_paused_as_well(patch: Patch) -> None:
    """While a rollout is paused, the stage under way is called paused, too."""
    status = service_views.stage_status

    def paused(live: Any, stage: Any) -> Any:
        shown = status(live, stage)
        held = live.head.status is RolloutStatus.PAUSED and shown is StageStatus.IN_PROGRESS
        return RolloutStatus.PAUSED if held else shown

    patch.attribute(service_views, "stage_status", paused)


@wrong("R33", "R27")
def current_stage_stays_the_first(patch: Patch) -> None:
    """GET always says that stage 1 is the current one."""
    body = service_views.rollout_body

    def first(live: Any) -> dict[str, Any]:
        shown = body(live)
        return shown | {"current_stage": shown["current_stage"] and 1}

    patch.attribute(service_rollouts, "rollout_body", first)


@wrong("R20", "R27")
def pause_is_not_shown(patch: Patch) -> None:
    """GET says in_progress while the rollout is paused."""
    body = service_views.rollout_body

    def running(live: Any) -> dict[str, Any]:
        shown = body(live)
        paused = shown["status"] == RolloutStatus.PAUSED
        return shown | ({"status": RolloutStatus.IN_PROGRESS} if paused else {})

    patch.attribute(service_rollouts, "rollout_body", running)


@wrong("R34", "R20", "R27")
def reads_are_stale(patch: Patch) -> None:
    """GET answers what was true up to ten seconds ago."""
    body = service_views.rollout_body
    kept: dict[tuple[int, str], tuple[float, Any]] = {}

    def old(state: Any, rollout_id: str) -> Any:
        live = service_rollouts.find(state, rollout_id)
        time, shown = kept.get((id(state), rollout_id), (float("-inf"), None))
        now = live.head.updated_at
        if shown is None or now - time > 10.0:  # noqa: PLR2004 - seconds
            kept[id(state), rollout_id] = (
                now,
                shown := msgspec.json.decode(msgspec.json.encode(body(live))),
            )
        return service_rollouts.answer(state, Reply(200, shown))

    patch.attribute(service_rollouts, "read", old)


@wrong("R42")
def filters_are_ignored(patch: Patch) -> None:
    """The fleet list is never filtered."""
    view = FleetIndex.view
    patch.attribute(
        FleetIndex, "view", lambda index, images, _site, _vendor: view(index, images, None, None)
    )


@wrong("R42")
def fleet_total_is_wrong(patch: Patch) -> None:
    """The fleet's total is one too high."""
    view = FleetIndex.view

    def more(*arguments: Any) -> dict[str, Any]:
        shown = view(*arguments)
        return shown | {"total_chargers": shown["total_chargers"] + 1}

    patch.attribute(FleetIndex, "view", more)


@wrong("R02")
def batches_are_one_larger(patch: Patch) -> None:
    """Every batch holds one charger more than asked."""
    sizes = rollout_plan._sizes  # noqa: SLF001 - the decision under mutation

    def larger(request: Any, total: int) -> tuple[int, int]:
        first, batch = sizes(request, total)
        if request.strategy != "rolling":
            return first, batch
        return min(first + 1, total), min(batch + 1, total)

    patch.attribute(rollout_plan, "_sizes", larger)


@wrong("R02")
def canary_count_is_ignored(patch: Patch) -> None:
    """A canary has one charger, whatever was asked."""
    sizes = rollout_plan._sizes  # noqa: SLF001 - the decision under mutation

    def one(request: Any, total: int) -> tuple[int, int]:
        if request.strategy == "canary" and total > 1:
            return 1, total - 1
        return sizes(request, total)

    patch.attribute(rollout_plan, "_sizes", one)
