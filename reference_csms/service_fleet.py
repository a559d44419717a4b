"""Which firmware runs where, as an index kept up to date with every boot. A core (D33)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_csms.model import Charger, Image

_Key = tuple[str, str, str, str]  # version, vendor, model, site


class FleetIndex:
    """Chargers grouped by what they run and where they stand."""

    def __init__(self) -> None:
        self._groups: dict[_Key, dict[str, None]] = {}

    def update(self, before: Charger | None, after: Charger | None) -> None:
        """Move a charger from the group it was in to the one it is in now."""
        old, new = _key(before), _key(after)
        if old == new:
            return
        if before is not None and old is not None:
            members = self._groups[old]
            del members[before.charger_id]
            if not members:
                del self._groups[old]
        if after is not None and new is not None:
            self._groups.setdefault(new, {})[after.charger_id] = None

    def view(
        self, images: Mapping[str, Image], site_id: str | None, vendor: str | None
    ) -> dict[str, Any]:
        """Return the body of GET /fleet/firmware."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for (version, made_by, model, site), members in self._groups.items():
            if (site_id is None or site == site_id) and (vendor is None or made_by == vendor):
                groups.setdefault((version, made_by, model), []).extend(members)
        released = {image.version: image.release_date for image in images.values()}
        versions = [
            {
                "firmware_version": version,
                "charger_count": len(ids),
                "vendor": made_by,
                "model": model,
                "release_date": released.get(version),
                "charger_ids": sorted(ids),
            }
            for (version, made_by, model), ids in sorted(
                groups.items(), key=lambda item: (-len(item[1]), item[0])
            )
        ]
        return {"versions": versions, "total_chargers": sum(len(ids) for ids in groups.values())}


def _key(charger: Charger | None) -> _Key | None:
    if charger is None:
        return None
    version = charger.firmware_version or "unknown"
    return version, charger.vendor, charger.model, charger.site_id
