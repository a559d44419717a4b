"""The pytest plugin: firmware-rollout drills as tests.

It runs the `firmdrill` command in isolated subprocesses and reads their JSON. It imports nothing
else of ours: a project under test may have folders called `harness` or `simulator` of its own.

    @pytest.mark.drill("smoke")
    def test_a_canary_rollout_holds(drilled):
        assert drilled.counts["installed"] == 10

Fixtures: `drill`, `drilled`, `reference_csms`, `firmware_server`, `virtual_fleet`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_firmdrill.drills import Drill, DrillFailed, DrillResult, failure_of, scenario_file
from pytest_firmdrill.marks import marked
from pytest_firmdrill.parts import FirmwareServer, Part, ReferenceCsms, VirtualFleet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

__all__ = [
    "Drill", "DrillFailed", "DrillResult", "FirmwareServer", "ReferenceCsms", "VirtualFleet",
    "failure_of",
]  # fmt: skip
KEY_VARIABLE = "FIRMDRILL_API_KEY"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options; none of them is short, for the short ones are other people's."""
    group = parser.getgroup("firmdrill", "firmware-rollout drills")
    group.addoption(
        "--firmdrill-target", metavar="FILE", help="drill the CSMS of this target file, not ours"
    )
    group.addoption(
        "--firmdrill-report", metavar="FOLDER", help="keep the drills' reports here (for CI)"
    )
    group.addoption(
        "--firmdrill-timeout", type=_seconds, default=600.0, metavar="SECONDS",
        help="the longest that a drill may take (default: 600)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Describe the mark."""
    config.addinivalue_line(
        "markers",
        "drill(scenario, seed=, virtual=, mutant=, target=, processes=): run this scenario before "
        "the test; the test fails if a property breaks. `drilled` is its result.",
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is drilled."""
    target = config.getoption("--firmdrill-target")
    return f"firmdrill: drills {target}" if target else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Run the drill of a marked test: in the test's own phase, so that it fails, not errs."""
    __tracebackhide__ = True
    mark = marked(item)
    if mark is None:
        return
    result = Drill(item)(*mark.args, **mark.kwargs)
    funcargs = getattr(item, "funcargs", {})
    if "drilled" in funcargs:
        funcargs["drilled"] = result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave out that all entries of a traceback are hidden: the drill of a mark has none."""
    report = yield
    traceback = getattr(report.longrepr, "reprtraceback", None)
    hidden = "are hidden" in (getattr(traceback, "extraline", None) or "")
    if traceback is not None and hidden and item.get_closest_marker("drill") is not None:
        traceback.extraline = None
    return report


# ---------------------------------------------------------------------- fixtures


@pytest.fixture
def drilled(request: pytest.FixtureRequest) -> DrillResult:
    """The result of the drill in `@pytest.mark.drill(...)`."""
    if request.node.get_closest_marker("drill") is None:
        pytest.fail('`drilled` needs a mark: @pytest.mark.drill("smoke")', pytrace=False)
    return DrillResult({}, "", "", passed=False)  # replaced before the test's body runs


@pytest.fixture
def drill(request: pytest.FixtureRequest) -> Callable[..., DrillResult]:
    """Run a scenario: `drill("pause.yaml", seed=7)`; see `Drill`."""
    return Drill(request.node)


@pytest.fixture(scope="session")
def reference_csms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceCsms]:
    """Our CSMS on free loopback ports, one a session, with a key of its own."""
    folder = tmp_path_factory.mktemp("reference-csms")
    words = ("reference_csms", "--database", str(folder / "csms.sqlite"), "--insecure-firmware-url")
    part = Part("the reference CSMS", words, environment=_without_key())
    with part.running() as said:
        key = Path(said["key_file"]).read_text(encoding="utf-8").strip()
        yield ReferenceCsms(said["api"], said["ocpp"], said["ext"], key)


@pytest.fixture
def firmware_server() -> Iterator[Callable[..., FirmwareServer]]:
    """Start firmware servers: `firmware_server("fw.bin=2MB", faults=["kind=cut,at=0.5"])`."""
    with contextlib.ExitStack() as stack:

        def start(*images: str, faults: Sequence[str] = ()) -> FirmwareServer:
            words = [f"--image={image}" for image in images or ("firmware.bin=1MB",)]
            words += [f"--fault={fault}" for fault in faults]
            part = Part("the firmware server", ("simulator.firmware_server", *words))
            return FirmwareServer(stack.enter_context(part.running())["url"], part)

        yield start


@pytest.fixture
def virtual_fleet(request: pytest.FixtureRequest) -> Iterator[Callable[..., VirtualFleet]]:
    """Connect a scenario's chargers: `virtual_fleet("smoke", csms=reference_csms)`, or `ocpp=`."""
    with contextlib.ExitStack() as stack:

        def start(
            scenario: str, *, csms: ReferenceCsms | None = None, ocpp: str = "", seed: int = -1
        ) -> VirtualFleet:
            __tracebackhide__ = True
            if csms is None and not ocpp:
                pytest.fail("virtual_fleet(…) needs csms=reference_csms or ocpp=", pytrace=False)
            words = ["harness", "fleet", scenario_file(request.node, scenario), "--json"]
            environment = dict(os.environ)
            if csms is not None:
                ocpp = ocpp or csms.ocpp
                words += ["--register", csms.ext]
                environment[KEY_VARIABLE] = csms.key
            words += ["--ocpp", ocpp] + (["--seed", str(seed)] if seed >= 0 else [])
            part = Part("the fleet", words, environment=environment)
            stack.enter_context(part.running())
            return VirtualFleet(part)

        yield start


def _seconds(text: str) -> float:
    """Return a time that a process can be waited for; raises argparse's own error."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"write seconds, more than 0 (found {text!r})")
    return seconds


def _without_key() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
