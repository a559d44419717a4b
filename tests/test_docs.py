"""The words keep up with the program: links lead somewhere, commands and scenarios exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from harness.cli import main
from harness.run_record import ExitCode
from harness.verdict import Verdict
from simulator.scenario import load

if TYPE_CHECKING:
    import click

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")

# `firmdrill run demo` or `python3 run.py run demo`, in running text, tables and blocks of code
CALL = re.compile(
    r"(?:(?<![\w./-])firmdrill|run\.py) ([a-z][a-z-]+)(?: ([a-z][a-z-]+)\b)?(?=[^/\w])"
)
BOOTSTRAP = {"test", "lock"}  # words that run.py answers itself
MESSAGES = {"needs"}  # what it says, not what one types


def code(text: str) -> str:
    """Return only what a page sets as code: blocks and `spans`."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", rest)]) + "\n"


def commands() -> dict[str, click.Command]:
    """Return the commands that exist, by name."""
    return dict(getattr(main, "commands", {}))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link and picture is a file of the project."""
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [
        target
        for target in targets
        if "://" not in target and not (page.parent / target).resolve().exists()
    ]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_the_pages_exist(page: Path) -> None:
    """Nobody is told to type a command that is not there."""
    known = commands()
    for word, second in CALL.findall(code(page.read_text(encoding="utf-8"))):
        assert word in {*known, *BOOTSTRAP, *MESSAGES}, f"{page.name}: firmdrill {word}"
        parts = getattr(known.get(word), "commands", None)
        if parts and second:
            assert second in parts, f"{page.name}: firmdrill {word} {second}"


def test_the_readme_names_every_command() -> None:
    """A command that no page mentions is a command that nobody finds."""
    table = README.split("## Commands")[1].split("\n## ")[0]
    missing = [name for name in commands() if f"`firmdrill {name}" not in table]
    assert not missing


def test_the_readme_names_every_exit_code_and_verdict() -> None:
    """What a CI job sees is explained where it is looked for first."""
    codes = README.split("Exit codes:")[1].split("\n\n")[0]
    assert {int(found) for found in re.findall(r"`(\d+)`", codes)} == {int(c) for c in ExitCode}
    listed = set(re.findall(r"^\| ([A-Z_]+) \|", README, flags=re.MULTILINE))
    assert listed <= {verdict.name for verdict in Verdict}
    assert {"PASS", "FAIL", "INCONCLUSIVE", "ERROR"} <= listed


def test_the_readme_example_is_made_of_real_fields() -> None:
    """Completed with a name and a firmware, the example of the README loads."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    whole = yaml.safe_load((ROOT / "scenarios" / "demo.yaml").read_text(encoding="utf-8"))
    whole.update(yaml.safe_load(block))
    scenario = load(yaml.safe_dump(whole), name="README.md")
    assert sum(cohort.count for cohort in scenario.fleet) == 240


def test_every_command_explains_itself() -> None:
    """`--help` of each command says more than its usage line."""
    for name, command in commands().items():
        if command.context_settings.get("ignore_unknown_options"):
            continue  # hands its words, --help among them, to a process of its own
        shown = CliRunner().invoke(main, [name, "--help"])
        assert shown.exit_code == 0
        assert len(shown.output.splitlines()) > 3
