"""Replaces what tells a customer from another: ids, serials, tags, URLs, passwords. A core.

The same value gets the same name everywhere, in messages, requests and paths, so that a history
judges as before. Names are numbered in the order of their first appearance: no key is needed, and
none can be lost. What stays: vendors, models, versions, times and meter values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from harness.fieldlog.hiding import SHORTEST, Hiding
from harness.history import CHARGER, Event, Header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ID, SERIAL, TAG, SECRET, PATH, PERSON = "charger", "serial", "tag", "redacted", "file", "person"
OPAQUE = "data"  # what a vendor wrote: hidden, but it may be any word
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("charger", "charger_id", "charger_ids", "chargepointid", "stationid",
                     "chargeboxid", "client"), ID),
    **dict.fromkeys(("chargepointserialnumber", "chargeboxserialnumber", "serialnumber", "imsi",
                     "meterserialnumber", "iccid", "serial", "evccid", "vin"), SERIAL),
    **dict.fromkeys(("idtag", "parentidtag", "idtoken", "groupidtoken", "emaid", "contractid",
                     "additionalidtoken", "masterpassgroupid"), TAG),
    **dict.fromkeys(("password", "basicauthpassword", "apnpassword", "apnusername", "authorization",
                     "csr", "certificatechain", "certificate", "signingcertificate", "signature",
                     "key_file", "user", "username", "simpin", "exirequest", "exiresponse",
                     "issuernamehash", "issuerkeyhash"), SECRET),
    **dict.fromkeys(("customeridentifier", "person", "email", "phone"), PERSON),
}  # fmt: skip
_SECRET_NAME = re.compile(
    r"password|authorizationkey|secret|\bpin\b|token|apikey|^apn|user|ssid|identity|serial|email",
    re.IGNORECASE,
)
# URLs, and addresses of networks, machines and people; what stands before an @ may be a password.
# A word of a megabyte is looked through once, not once from each of its letters.
_FIXED = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s\"'<>,;]+"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"
    r"|(?<![^\s\"'<>,;/])[^\s\"'<>,;/]+@[\w-]+\.[\w.-]*\w"
    r"|(?<![\w:])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:])"
)
REMEMBERED = frozenset({ID, SERIAL, TAG, SECRET, PERSON, "host"})  # looked for in other texts
LONGEST = 200  # characters of such a value: nobody repeats a certificate in a sentence


class Anonymiser:
    """One mapping from values to names, for one history."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._known = Hiding()  # values that may stand inside other texts
        self._given: set[str] = set()
        self._charger = ""

    # ------------------------------------------------------------------ what is replaced

    def header(self, header: Header) -> Header:
        """Return the header without names; the scenario's text, which may hold any, is left out."""
        said = msgspec.to_builtins(header)
        said["quirky"] = [self.name(ID, charger) for charger in header.quirky]
        scenario = {key: self._value(key, one) for key, one in header.scenario.items()}
        scenario["text"] = ""
        if header.target.get("kind") == "field log":
            scenario |= {"name": "field log", "file": ""}  # files are named after customers, too
        sites = header.scenario.get("sites")
        if isinstance(sites, dict):
            scenario["sites"] = {
                self.name(ID, str(charger)): self.name("site", str(site))
                for charger, site in sites.items()
            }
        said["scenario"] = scenario
        said["target"] = {key: self._value(key, one) for key, one in header.target.items()}
        return msgspec.convert(said, Header)

    def learn(self, header: Header, events: Iterable[Event]) -> None:
        """Go through a history for its names: they may stand in texts before they are known."""
        self.header(header)
        for event in events:
            self.event(event)

    def event(self, event: Event) -> Event:
        """Return the event without names."""
        charger = event.charger
        source, self._charger = event.source, charger or ""
        if charger is not None:
            source = CHARGER + self.name(ID, charger)
        if event.source == "firmware":
            return self._served(event)
        data = {key: self._value(key, value) for key, value in event.data.items()}
        return msgspec.structs.replace(
            event, source=source, name=self._text(event.name), ref=self._text(event.ref), data=data
        )

    def _served(self, event: Event) -> Event:
        """A line of the firmware server: its client is a charger, its path that of a URL."""
        client = quote(self.name(ID, unquote(event.ref)), safe="") if event.ref else ""
        data = {key: self._value(key, value) for key, value in event.data.items()}
        data |= {"client": client} if "client" in data else {}
        path = event.data.get("path")
        data |= {"path": self._path(path)} if isinstance(path, str) else {}
        return msgspec.structs.replace(event, name=self._path(event.name), ref=client, data=data)

    def words(self, text: str) -> str:
        """Return a text of ours about the log without names."""
        return self._text(text)

    # ------------------------------------------------------------------ names

    def name(self, kind: str, value: str) -> str:
        """Return the name of a value: the same for the same."""
        if not value or value in self._given:
            return value
        same = self._known.get(value) if kind in {ID, SERIAL} else None
        if same is not None:
            return same  # a serial number is often the id
        known = self._names.get((kind, value))
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._names[kind, value] = f"anon-{kind}-{self._counts[kind]}"
            self._given.add(known)
            if kind in REMEMBERED and len(value) <= LONGEST:
                self._known.add(value, known)
        return known

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            kind = KINDS.get(key.lower())
            return self.name(kind, value) if kind else self._text(value)
        if isinstance(value, list):
            if key == "frame":
                return self._frame(value)
            return [self._value(key, item) for item in value]
        if isinstance(value, dict):
            return self._object(value)
        return value

    def _frame(self, frame: list[Any]) -> list[Any]:
        transfers = len(frame) > 3 and frame[2] == "DataTransfer" and isinstance(frame[3], dict)  # noqa: PLR2004
        if transfers and isinstance(frame[3].get("data"), str):
            payload = {**frame[3], "data": self.name(OPAQUE, frame[3]["data"])}
            return [*frame[:1], self._text(str(frame[1])), frame[2], self._object(payload)]
        return [self._value("", item) for item in frame]

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        out = {self._text(key): self._value(key, item) for key, item in value.items()}
        variable = value.get("variable")
        name = variable.get("name") if isinstance(variable, dict) else value.get("key")
        if isinstance(name, str) and _SECRET_NAME.search(name):
            for field in ("value", "attributeValue"):
                if isinstance(value.get(field), str):
                    out[field] = self.name(SECRET, value[field])
        return out

    def _text(self, text: str) -> str:
        """Replace names, URLs and addresses inside a text; no stand-in is looked at again."""
        if len(text) < SHORTEST or text in self._given:
            return text
        if not ("." in text or ":" in text or "-" in text):
            return self._free(text)
        out, at = [], 0
        for found in _FIXED.finditer(text):
            out.append(self._free(text[at : found.start()]))
            what = found[0]
            out.append(self._url(what) if "://" in what else self.name("address", what))
            at = found.end()
        return "".join([*out, self._free(text[at:])])

    def _free(self, text: str) -> str:
        own = self._charger
        if len(own) >= SHORTEST and own in text:
            return self.name(ID, own).join(map(self._others, text.split(own)))
        return self._others(text)

    def _others(self, text: str) -> str:
        return self._known.replaced(text, lambda token: self.name(SECRET, token))

    def _url(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            for part in filter(None, (parts.username, parts.password)):
                self.name(SECRET, unquote(part))
        except ValueError:
            return f"invalid://{self.name('host', url)}.example"
        if url in self._given or (host.endswith(".example") and host.startswith("anon-")):
            return url
        path = self._path(parts.path)
        query = f"?{self.name('query', parts.query)}" if parts.query else ""
        made = f"{parts.scheme}://{self.name('host', host)}.example{path}{query}"
        self._given.add(made)
        return made

    def _path(self, path: str) -> str:
        """Return the path of a file: its ending stays, as it may matter to a charger."""
        if path in {"", "/"} or path in self._given:
            return path
        _, dot, ending = path.rpartition(".")
        keep = f".{ending}" if dot and len(ending) <= 5 and ending.isalnum() else ""  # noqa: PLR2004
        made = f"/{self.name(PATH, path)}{keep}"
        self._given.add(made)
        return made
