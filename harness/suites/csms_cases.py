"""The numbered cases for a CSMS: each asks one question of a drill. Values, no decisions.

A drill is a shipped scenario that is run once, however many cases ask about it; the judge's verdict
on the properties of a case is the case's verdict. Cases without a drill are probes: requests that
must be refused (`csms_probes`). No case needs more than the published API.
"""

from __future__ import annotations

from dataclasses import dataclass

ENDS = "ends"  # in the place of a property: the scenario's own expectations


@dataclass(frozen=True, slots=True)
class CsmsCase:
    """One numbered case. `properties` are judged over `drill`; `needs` as in `inapplicable`."""

    id: str
    title: str
    drill: str
    properties: tuple[str, ...]
    level: str = "MUST"
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Group:
    """Cases that ask about one drill, numbered in order."""

    name: str
    drill: str
    needs: tuple[str, ...] = ()
    first: int = 1

    def cases(self, *rows: tuple[str, ...]) -> tuple[CsmsCase, ...]:
        """Make the cases: (title, level, property, ...) each; aliases are the words with `TC_`."""
        return tuple(
            CsmsCase(
                f"{self.name}/{number}", title, self.drill,
                tuple(word for word in words if not word.startswith("TC_")), level,
                tuple(word for word in words if word.startswith("TC_")), self.needs,
            )
            for number, (title, level, *words) in enumerate(rows, self.first)
        )  # fmt: skip


_VERSION = (
    ("A canary of two sound chargers and two that fail comes to its end", "MUST", ENDS),
    ("Commands and answers fit the schemas", "MUST", "W01", "W07"),
    ("Every report is answered, whatever it says", "MUST", "R35", "W04"),
    ("Message ids are fresh and short", "MUST", "W02"),
    ("One CALL at a time, and the boot first", "MUST", "W03", "W09"),
    ("The command carries url and date, and goes to these chargers only", "MUST", "R16"),
    ("Failures are shown as failures, success as success", "SHOULD", "R14"),
    ("A CALL of no version of OCPP is answered with an error of this one", "SHOULD", "W05"),
)
_NAMES = {
    "1.6": (("TC_044_1",), (), ("TC_044_2", "TC_044_3"), (), (), (), (), ()),
    "2.0.1": (("TC_L_01",), (), ("TC_L_07", "TC_L_09"), (), (), (), (), ()),
    "2.1": ((), (), (), (), (), (), (), ()),
}


def _version(version: str) -> tuple[CsmsCase, ...]:
    group = _Group(f"ocpp/{version}", f"speaks-ocpp-{version}", (f"ocpp{version}",))
    rows = [(*row, *names) for row, names in zip(_VERSION, _NAMES[version], strict=True)]
    if version != "1.6":
        rows.append(("Every command has a request id of its own", "MUST", "W06"))
    return group.cases(*rows)


DRILLED: tuple[CsmsCase, ...] = (
    *_Group("rollout/canary", "canary-alone").cases(
        ("A canary rollout comes to its end", "MUST", ENDS),
        ("Its stages are the canary and the rest, and hold every charger once", "MUST",
         "R01", "R02"),
        ("Nobody is triggered before the first execute-stage", "MUST", "R04"),
        ("Nobody of the rest is triggered before the second execute-stage", "MUST", "R08"),
        ("Bodies have the published fields", "MUST", "R44"),
    ),
    *_Group("rollout/rolling", "rolling").cases(
        ("A rolling rollout comes to its end", "MUST", ENDS),
        ("Batches have the size that was asked for", "MUST", "R01", "R02"),
        ("No batch is skipped, each call releases one", "MUST", "R07", "R10"),
        ("A batch begins when the one before is settled", "SHOULD", "R09"),
        ("Chargers keep the order of the request", "SHOULD", "R03"),
        ("chargers_triggered names those that were sent the command", "MUST", "R43"),
        ("Stages and rollout end when their chargers have", "SHOULD", "L3", "L4"),
        ("Overall status, stages and chargers agree", "SHOULD", "R33"),
        ("No more chargers at a time than the largest batch", "SHOULD", "R11"),
    ),
    *_Group("rollout/batches", "uneven-batches").cases(
        ("A last batch that is smaller comes to its end, too", "MUST", ENDS),
        ("Only the last batch is smaller", "MUST", "R02"),
    ),
    *_Group("rollout/all", "all-at-once").cases(
        ("All at once comes to its end", "MUST", ENDS),
        ("It is one stage", "MUST", "R02"),
        ("Nobody is triggered twice", "MUST", "R13"),
        ("Connected chargers are triggered in time", "SHOULD", "L1"),
        ("Progress and timestamps make sense", "SHOULD", "R30", "R31"),
    ),
    *_Group("rollout/pause", "pause-offline-chargers").cases(
        ("A paused rollout is resumed and comes to its end", "MUST", ENDS),
        ("No charger is triggered while it is paused", "MUST", "R18"),
        ("Chargers that were updating go on, and are shown", "MUST", "R19"),
        ("GET says paused", "MUST", "R20"),
        ("Who reconnects during the pause waits for the resume", "SHOULD", "R21"),
        ("The resume triggers exactly those that were left", "MUST", "R23"),
        ("The reason comes back", "MUST", "R46"),
        ("Nobody waits for those who are away", "SHOULD", "R28"),
    ),
    *_Group("rollout/between", "pause-between-stages").cases(
        ("A pause between two stages is resumed and comes to its end", "MUST", ENDS),
        ("It is visible", "MUST", "R20"),
        ("Resuming releases no more than one stage", "MUST", "R08", "R10"),
    ),
    *_Group("rollout/gate", "failing-canary").cases(
        ("When every canary fails nobody else is touched", "SHOULD", "R12"),
        ("The rollout is shown as failed", "SHOULD", "R33"),
        ("Nothing is shown that was not reported", "SHOULD", "R14"),
    ),
    *_Group("rollout/turns", "wrong-turns").cases(
        ("Calls at the wrong time are refused", "SHOULD", ENDS),
        ("A refused call changes nothing", "SHOULD", "R32"),
        ("Every answer is explained by some order of the calls", "SHOULD", "R27"),
    ),
    *_Group("rollout/operators", "two-operators").cases(
        ("Of two overlapping execute-stage calls one wins", "SHOULD", "R26"),
        ("A pause beside an execute-stage has the effect of one order", "SHOULD", "R25"),
        ("No stage is begun that nobody released", "MUST", "R08", "R10"),
    ),
    *_Group("rollout/early", "early").cases(
        ("An execute-stage while a batch still updates begins nothing", "SHOULD", "R09"),
        ("One stage a call, also for a hasty operator", "MUST", "R08", "R10"),
    ),
    *_Group("rollout/two", "two-rollouts").cases(
        ("Two rollouts over different chargers both end", "MUST", ENDS),
        ("Each sends its own url to its own chargers", "MUST", "R16"),
        ("Neither waits for the other", "SHOULD", "L1", "L7"),
    ),
    *_Group("rollout/identity", "repeated-create").cases(
        ("The same Idempotency-Key is the same rollout", "SHOULD", "R06"),
    ),
    *_Group("rollout/date", "retrieve-later").cases(
        ("The retrieve date reaches the charger", "MUST", "R16", "TC_L_03"),
    ),
    *_Group("rollout/address", "download-presigned").cases(
        ("An image at a presigned address reaches every charger", "MUST", ENDS),
        ("Its long query and its escapes are sent as they were given", "MUST", "R16"),
    ),
    *_Group("chargers/late", "late").cases(
        ("What arrives after the end is answered", "MUST", "R35"),
        ("It moves nothing back", "SHOULD", "R29", "R36"),
        ("What chargers report is shown soon", "SHOULD", "R34"),
    ),
    *_Group("chargers/unsolicited", "unsolicited-installed").cases(
        ("An Installed that nobody asked for is answered", "MUST", "R35"),
        ("It changes nothing in a rollout", "SHOULD", "R37"),
    ),
    *_Group("chargers/repeated", "statuses-repeated").cases(
        ("Repeated statuses are answered each time", "MUST", "R35"),
        ("They change nothing", "SHOULD", "R36"),
    ),
    *_Group("chargers/wary", "wary-chargers", ("ocpp2.0.1",)).cases(
        ("Who refuses, doubts or charges keeps no rollout from its end", "MUST", ENDS, "TC_L_13"),
        ("Their reports and security events are answered", "MUST", "R35", "W04", "TC_L_05",
         "TC_L_06", "TC_L_08"),
        ("Who refused or failed is shown as failed", "SHOULD", "R14"),
    ),
    *_Group("chargers/connections", "broken-connections").cases(
        ("Who loses the connection is not triggered twice without need", "MUST", "R13"),
    ),
    *_Group("fleet/list", "canary-alone").cases(
        ("The fleet list counts every version, filtered as asked", "MUST", "R42"),
    ),
    *_Group("crash/stage", "crash-mid-stage", ("restart",)).cases(
        ("After a kill in a stage the rollout comes to its end", "SHOULD", ENDS),
        ("What was answered before still holds", "SHOULD", "R22"),
        ("Nobody is triggered twice because of it", "MUST", "R13", "R39"),
        ("Only what was released is triggered", "SHOULD", "R40"),
        ("Updates that were under way are still tracked", "SHOULD", "R41"),
    ),
    *_Group("crash/pause", "crash-while-paused", ("restart",)).cases(
        ("A pause survives a kill", "MUST", "R18", "R20"),
        ("What was answered before still holds", "SHOULD", "R22"),
    ),
    *_version("1.6"),
    *_version("2.0.1"),
    *_version("2.1"),
)  # fmt: skip
