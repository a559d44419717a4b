"""How a charger says who it is: HTTP Basic, as security profiles 1 and 2 want it. A core."""

from __future__ import annotations

import base64


def basic(charger_id: str, password: str) -> str:
    """Return the Authorization header with which a charger connects."""
    return "Basic " + base64.b64encode(f"{charger_id}:{password}".encode()).decode()
