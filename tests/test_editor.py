"""What an editor says about scenario files, asked of the real YAML language server.

Needs `yaml-language-server` (npm) on the PATH, or its path in FIRMDRILL_YAML_LANGUAGE_SERVER.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[1] / "scenarios"
SERVER = os.environ.get("FIRMDRILL_YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
pytestmark = [
    pytest.mark.skipif(SERVER is None, reason="yaml-language-server (npm) is not installed"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    """Return an editor for all tests of this module."""
    with Editor(SERVER or "") as editor:
        yield editor


def test_no_shipped_scenario_is_underlined(editor: Editor) -> None:
    """The modelines find the schema, and the schema accepts every file of the library."""
    underlined = {
        path.name: found
        for path in sorted(FOLDER.glob("*.yaml"))
        if (found := editor.underlined(path, path.read_text(encoding="utf-8")))
    }
    assert underlined == {}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("seed:", "sede:", "sede"),
        ("count: 10", "count: many", "Incorrect type"),
        ("ocpp: ocpp1.6", "ocpp: 1.6", "Value is not accepted"),
        ("60 %", "60 parsecs", "pattern"),
        ("strategy: canary", "strategy: canry", "Value is not accepted"),
        ("rollout: completed", "rollout: complete", "Value is not accepted"),
    ],
)
def test_what_is_wrong_is_underlined_where_it_stands(
    editor: Editor, right: str, wrong: str, told: str
) -> None:
    """A mistake in the starter is shown on its line, with the schema's words."""
    path = FOLDER / "starter.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if right in text)
    lines[line - 1] = lines[line - 1].replace(right, wrong)
    found = editor.underlined(path.with_name(f"wrong-{line}.yaml"), "\n".join(lines))
    assert [one for one in found if one.startswith(f"{line}: ") and told in one], found
