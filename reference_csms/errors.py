"""What can go wrong in the CSMS, as one tree.

    CsmsError
    ├── Problem            an operator's request is refused; becomes application/problem+json
    ├── StoreUnavailable   the database cannot be written or read; becomes a 503
    └── StoreCorrupt       not a database of ours, or newer than us; the process refuses to start

`Problem` is made by `problems.py`, which knows every refusal of the contract (D28).
"""

from __future__ import annotations

from typing import Any


class CsmsError(Exception):
    """Base of every error this package raises on purpose."""


class Problem(CsmsError):
    """An operator's request is refused and has had no effect.

    `status` is the HTTP status, `title` names the kind of refusal, `detail` says what is wrong and
    what to do, `members` are further fields of the problem body (for example `blockers`).
    """

    def __init__(self, status: int, title: str, detail: str, **members: Any) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.members = members

    def body(self) -> dict[str, Any]:
        """Return the problem+json body (RFC 9457): type, title, status, detail and the members."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }


class StoreUnavailable(CsmsError):
    """The database refused a read or a write; nothing of the open transaction is durable.

    `why` is one of full, read_only, locked, io. The caller answers 503 and lets the service go back
    to the last durable state.
    """

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(f"the database is unavailable ({why}): {detail}")
        self.why = why
        self.detail = detail


class StoreCorrupt(CsmsError):
    """The file is not a database of ours, or its schema is newer than this program."""
