"""What can go wrong in the simulator.

SimulatorError
+-- ScenarioError        the scenario file is wrong: every problem at once, with its place
+-- PeerError            the other side broke the protocol (it carries the OCPP error code)
+-- UsageError           we were used wrongly
|   +-- DescriptorLimit  too few file descriptors for this fleet
+-- StartError           a server could not start (port taken, unreadable file)
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Anything the simulator raises on purpose."""


class PeerError(SimulatorError):
    """The other side broke the protocol.

    `code` is the OCPP-J error code that names the breach, `message_id` the id of the offending
    message where it could be read. `answerable` is false where the message was an answer itself or
    of a type to be ignored: no CALLERROR may follow.
    """

    def __init__(
        self,
        code: str,
        description: str,
        message_id: str | None = None,
        *,
        answerable: bool = True,
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.message_id = message_id
        self.answerable = answerable


class UsageError(SimulatorError):
    """We were asked for something that makes no sense; the text says what to do instead."""


class DescriptorLimit(UsageError):
    """The operating system allows too few open sockets for this fleet."""


class StartError(SimulatorError):
    """A server could not start; the text says why and what to do."""


class ScenarioError(SimulatorError):
    """A scenario is wrong; `problems` are lines `file:line:col: path: what is wrong`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
