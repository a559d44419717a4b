"""Downloads in virtual time end when and how arithmetic says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.addresses import path_of, with_query
from simulator.effects import Fetch, Fetched, FetchFailed
from simulator.faults import DownloadFault
from simulator.virtual import Scheduler
from simulator.virtual_downloads import ROUND_TRIP, ImageModel, Transfers, Uplink

IMAGE = ImageModel(length=1_000_000, sha256="ab" * 32, head=b"head", body_sha256="cd" * 32)
URL = "https://fw.example/r1/image.bin"


class Bench:
    """A scheduler, its transfers, and what came out of them."""

    def __init__(self, faults: dict[str, list[DownloadFault]] | None = None) -> None:
        self.scheduler = Scheduler(0.0)
        self.log: list[dict[str, Any]] = []
        self.ends: list[tuple[float, Fetched | FetchFailed]] = []
        self.transfers = Transfers(
            self.scheduler, images={"image.bin": IMAGE}, faults=faults or {}, log=self.log.append
        )

    def fetch(self, client: str = "CP", **options: Any) -> Fetched | FetchFailed:
        """Run one download to its end."""
        fetch = Fetch(options.pop("url", URL), rate=100_000.0, **options)
        self.transfers.begin(client, fetch, lambda end: self.ends.append((self.scheduler.now, end)))
        while self.scheduler.step():
            pass
        return self.ends[-1][1]


def test_a_presigned_address_is_served_as_it_was_made_only() -> None:
    """Another one is forbidden, and uses up no fault."""
    bench = Bench({"CP": [DownloadFault(kind="cut", at=0.6)]})
    address = "https://fw.example" + with_query(path_of("r1", "image.bin", presigned=True))
    refused = bench.fetch(url=address.partition("?")[0])
    assert refused == FetchFailed("http", 0, "HTTP 403", http_status=403)
    assert bench.fetch(url=address) == FetchFailed("cut", 600_000)
    assert isinstance(bench.fetch(url=address, resume=True), Fetched)
    assert [line["status"] for line in bench.log] == [403, 200, 206]
    assert {line["path"] for line in bench.log} == {"/presigned/r1/image.bin"}


def test_an_undisturbed_download_takes_size_over_rate() -> None:
    """Ten seconds for a megabyte at 100 kB/s, and the image's own digest."""
    bench = Bench()
    assert bench.fetch() == Fetched(IMAGE.length, IMAGE.sha256, IMAGE.head, IMAGE.body_sha256)
    assert bench.ends[0][0] == pytest.approx(10.0 + ROUND_TRIP)


def test_a_cut_download_resumes_where_it_broke() -> None:
    """The resume asks for the rest only, and takes only the time of the rest."""
    bench = Bench({"CP": [DownloadFault(kind="cut", at=0.6)]})
    assert bench.fetch() == FetchFailed("cut", 600_000)
    before = bench.scheduler.now
    assert isinstance(bench.fetch(resume=True), Fetched)
    assert bench.scheduler.now - before == pytest.approx(4.0 + ROUND_TRIP)
    assert [(line["range"], line["sent"]) for line in bench.log] == [
        (None, 600_000),
        ([600_000, 999_999], 400_000),
    ]


def test_a_stall_costs_the_chargers_patience() -> None:
    """Nothing arrives after the stall; the charger gives up after its own timeout."""
    bench = Bench({"CP": [DownloadFault(kind="stall", at=0.1)]})
    assert bench.fetch(stall_timeout=30.0) == FetchFailed("stalled", 100_000)
    assert bench.scheduler.now == pytest.approx(1.0 + 30.0 + ROUND_TRIP)


@pytest.mark.parametrize("kind", ["corrupt", "html"])
def test_wrong_bytes_arrive_with_another_digest(kind: Any) -> None:
    """The download completes, but nobody can mistake it for the image."""
    end = Bench({"CP": [DownloadFault(kind=kind)]}).fetch()
    assert isinstance(end, Fetched)
    assert end.sha256 != IMAGE.sha256


def test_faults_meet_requests_in_order_and_then_run_out() -> None:
    """Two 503, one cut, then the image."""
    faults = [DownloadFault(kind="status", status=503, times=2), DownloadFault(kind="cut", at=0.5)]
    bench = Bench({"CP": faults})
    kinds = [type(bench.fetch()) for _ in range(4)]
    assert kinds == [FetchFailed, FetchFailed, FetchFailed, Fetched]
    assert [line["outcome"] for line in bench.log] == ["status", "status", "cut", "complete"]


@pytest.mark.parametrize("kind", ["dns", "tls"])
def test_what_fails_before_the_server_is_reached_keeps_the_part(kind: str) -> None:
    """As on sockets: the reason names the step, what had arrived stays."""
    faults = [DownloadFault(kind="cut", at=0.5), DownloadFault.model_validate({"kind": kind})]
    bench = Bench({"CP": faults})
    bench.fetch()
    end = bench.fetch(resume=True)
    assert isinstance(end, FetchFailed)
    assert (end.reason, end.received) == (kind, IMAGE.length // 2)
    assert isinstance(bench.fetch(resume=True), Fetched)


def test_another_clients_fault_is_none_of_mine() -> None:
    """Faults belong to one client."""
    assert isinstance(Bench({"OTHER": [DownloadFault(kind="refuse")]}).fetch(), Fetched)


def test_a_cancelled_download_never_ends() -> None:
    """After cancel the charger hears nothing; the server logs what it had sent until then."""
    bench = Bench()
    fetch = Fetch(URL, rate=100_000.0)
    bench.transfers.begin("CP", fetch, lambda end: bench.ends.append((0.0, end)))
    bench.scheduler.run(until=lambda: False, deadline=ROUND_TRIP + 2.0)
    bench.transfers.cancel("CP")
    while bench.scheduler.step():
        pass
    assert bench.ends == []
    (line,) = bench.log
    assert (line["outcome"], line["sent"], line["total"]) == ("aborted", 200_000, 1_000_000)
    assert (line["client"], line["path"], line["status"]) == ("CP", "/r1/image.bin", 200)


@given(sizes=st.lists(st.integers(1_000, 1_000_000), min_size=1, max_size=8))
def test_a_shared_uplink_is_never_faster_than_its_bandwidth(sizes: list[int]) -> None:
    """All transfers together take exactly their bytes over the bandwidth, small ones end first."""
    scheduler = Scheduler(0.0)
    uplink = Uplink(scheduler, rate=50_000.0)
    ends: list[int] = []
    for size in sizes:
        uplink.add(size, 1e9, lambda size=size: ends.append(size))  # type: ignore[misc]
    while scheduler.step():
        pass
    assert ends == sorted(sizes)
    assert scheduler.now == pytest.approx(sum(sizes) / 50_000.0, rel=1e-3)


def test_downloads_through_one_uplink_share_it_and_others_do_not() -> None:
    """Two of a site take twice as long as they would alone; a third elsewhere does not notice."""
    bench = Bench()
    ends: dict[str, float] = {}
    for client, uplink in (("A", ("site", 100_000.0)), ("B", ("site", 100_000.0)), ("C", None)):
        fetch = Fetch(URL, rate=100_000.0, uplink=uplink)
        bench.transfers.begin(
            client,
            fetch,
            lambda _, client=client: ends.update({client: bench.scheduler.now}),  # type: ignore[misc]
        )
    while bench.scheduler.step():
        pass
    assert ends == pytest.approx({"A": 20.0, "B": 20.0, "C": 10.0}, abs=0.1)
