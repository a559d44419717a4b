"""The harness's error tree.

```
HarnessError
├── UsageError         what was asked for makes no sense (exit 2)
├── HistoryError       a recorded history cannot be read (exit 2)
├── TargetError        the system under test cannot be reached or started (exit 3)
└── JudgeError         the judge itself could not finish (exit 4)
```

Findings about a system under test are data (`harness.verdict.Finding`), never exceptions.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Anything the harness itself refuses or cannot do; the message is for the user."""


class UsageError(HarnessError):
    """What was asked for makes no sense; the message says what to do instead."""


class HistoryError(HarnessError):
    """A history cannot be read: `line` is its 1-based line (0: the file as a whole)."""

    def __init__(self, line: int, problem: str) -> None:
        """Keep the place and say the problem in one sentence."""
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line
        self.problem = problem


class TargetError(HarnessError):
    """The system under test could not be reached, started or stopped."""


class JudgeError(HarnessError):
    """The judge could not finish; the history that it was to judge is whole."""
