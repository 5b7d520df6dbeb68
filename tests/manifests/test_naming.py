"""Names that are made here can be parsed here, fit every store, and cannot be confused with each other."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.storage.base import check_key, check_prefix
from manifests import naming

digests = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,99}", fullmatch=True)
attempts = st.integers(1, 10**6)
records = st.sampled_from(["intent", "task", "refused", "released", "failed"])
DIGEST = "0" * 64
WHAT = ("take", "still", "line", "effect")


def like_a_take(name: str) -> bool:
    what, _, number = name.partition("-")
    return what in WHAT and number.isdecimal()


shots = st.from_regex(r"[a-z][a-z0-9_-]{0,39}", fullmatch=True)
whats = st.one_of(st.just((None, None)), st.tuples(st.sampled_from(WHAT), attempts))
addresses = st.builds(
    lambda shot, spot, axes, segment, what: naming.Address(shot, spot, axes, segment, *what),
    shots.filter(lambda name: not like_a_take(name)),
    st.none() | st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9:,=-]{1,20}", fullmatch=True),
    st.none() | st.integers(0, 99),
    whats,
)


@given(st.sampled_from(naming.BLOB_KINDS), digests)
def test_blob_keys_come_back(kind: str, digest: str) -> None:
    assert naming.parse_blob_key(naming.blob_key(kind, digest)) == (kind, digest)


@given(digests, records, attempts)
def test_take_records_come_back(digest: str, record: str, attempt: int) -> None:
    key = naming.take_record_key(digest, record, attempt)
    assert naming.parse_take_record_key(key) == (digest, record, attempt)
    assert key.startswith(naming.take_prefix(digest))


@given(digests)
def test_results_come_back(digest: str) -> None:
    assert naming.parse_take_record_key(naming.take_record_key(digest, "result")) == (digest, "result", None)


@given(addresses)
def test_addresses_come_back(address: naming.Address) -> None:
    assert naming.parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pour", naming.Address("pour")),
        ("pour/take-2", naming.Address("pour", what="take", number=2)),
        ("morning/pour", naming.Address("pour", spot="morning")),
        ("morning/pour/take-2", naming.Address("pour", spot="morning", what="take", number=2)),
        ("morning/pour@9:16,de.1/still-3", naming.Address("pour", "morning", "9:16,de", 1, "still", 3)),
        ("pour.0", naming.Address("pour", segment=0)),
        ("take-1/take-2", naming.Address("take-1", what="take", number=2)),
    ],
)
def test_addresses_as_people_write_them(text: str, wanted: naming.Address) -> None:
    assert naming.parse_address(text) == wanted
    assert str(wanted) == text


NO_ADDRESS = ["", "Pour", "a/b/c", "pour/", "/pour", "pour/take-0", "pour/take-02", "pour.01", "pour.٣", "pour/take-٣"]
NO_ADDRESS += ["pour@", "pour@a/b", "pour\n", "pour@a\nb", "a//b", " pour", "morning/pour/clip-1", "pour/take-1/take-2"]


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_answered_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"\[spot/\]shot"):
        naming.parse_address(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = naming.parse_address(text)
    except ValueError:
        return
    assert str(address) == text


@given(names, names, digests, attempts)
def test_every_key_fits_every_store_and_no_two_collide(name: str, other: str, digest: str, attempt: int) -> None:
    keys = [
        naming.blob_key("take", digest),
        naming.manifest_key(name, digest),
        naming.lock_key(name, digest),
        naming.plan_key(digest),
        naming.take_record_key(digest, "intent", attempt),
        naming.take_record_key(digest, "result"),
        naming.selection_key(digest),
        naming.decision_key(name, digest),
        naming.step_record_key(digest),
        naming.deliverable_index_key(name, other, digest[:12]),
        naming.deliverable_key(name, other, digest[:12], "film.mp4"),
        *(naming.ledger_key(name, digest, attempt, kind) for kind in ("reserve", "settle", "release")),
        *(naming.budget_key(name, purse) for purse in ("play", "paid")),
        naming.lease_key(name),
        naming.run_key(name, "run.json"),
    ]
    assert [check_key(key) for key in keys] == keys
    assert len(set(keys)) == len(keys)
    for prefix in (naming.take_prefix(digest), naming.ledger_prefix(name), naming.lease_prefix(), naming.run_prefix()):
        assert check_prefix(prefix).endswith("/")
        assert any(key.startswith(prefix) for key in keys)
    assert naming.run_key(name, "x").startswith(naming.run_prefix(name))


BAD_NAMES = ["", ".", "..", "a/b", "A", "ä", " a", "a\n", "-a", "a" * 101]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_never_become_keys(name: str) -> None:
    for make in (
        lambda: naming.manifest_key(name, DIGEST),
        lambda: naming.lock_key(name, DIGEST),
        lambda: naming.decision_key(name, DIGEST),
        lambda: naming.deliverable_index_key("c", name, "r"),
        lambda: naming.deliverable_key("c", "v", name, "f"),
        lambda: naming.ledger_prefix(name),
        lambda: naming.budget_key(name, "play"),
        lambda: naming.lease_key(name),
        lambda: naming.run_key(name, "f"),
    ):
        with pytest.raises(ValueError, match="cannot be part of a key"):
            make()


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "A" * 64, "0" * 63 + "g", "0" * 64 + "\n"])
def test_bad_digests_never_become_keys(digest: str) -> None:
    for make in (
        lambda: naming.blob_key("take", digest),
        lambda: naming.plan_key(digest),
        lambda: naming.take_prefix(digest),
        lambda: naming.selection_key(digest),
        lambda: naming.step_record_key(digest),
        lambda: naming.ledger_key("c", digest, 1, "settle"),
    ):
        with pytest.raises(ValueError, match="not a sha256"):
            make()


@pytest.mark.parametrize("file_name", ["", ".", "..", ".hidden", "a/b", "a\nb", "a\x00", "\udc80", "x" * 201])
def test_bad_file_names_never_become_keys(file_name: str) -> None:
    for make in (lambda: naming.deliverable_key("c", "v", "r", file_name), lambda: naming.run_key("r", file_name)):
        with pytest.raises(ValueError, match="is not a file name"):
            make()


def test_unknown_kinds_are_refused() -> None:
    for make in (
        lambda: naming.blob_key("video", DIGEST),
        lambda: naming.take_record_key(DIGEST, "intent"),
        lambda: naming.take_record_key(DIGEST, "intent", 0),
        lambda: naming.take_record_key(DIGEST, "note", 1),
        lambda: naming.ledger_key("c", DIGEST, 1, "refund"),
        lambda: naming.ledger_key("c", DIGEST, 0, "settle"),
        lambda: naming.budget_key("c", "real"),
    ):
        with pytest.raises(ValueError, match=r"no such|is not a class|is no purse"):
            make()


@pytest.mark.parametrize(
    "key",
    [
        f"v1/blobs/video/sha256/00/{DIGEST}",
        f"v1/blobs/take/sha256/11/{DIGEST}",
        f"v1/blobs/take/sha256/00/{DIGEST}/",
        f"v2/blobs/take/sha256/00/{DIGEST}",
    ],
)
def test_other_keys_are_no_blobs(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a blob"):
        naming.parse_blob_key(key)


@pytest.mark.parametrize(
    "tail", ["intent.json", "result-1.json", "intent-0.json", "intent-01.json", "x-1.json", "intent-1"]
)
def test_other_keys_are_no_take_records(tail: str) -> None:
    with pytest.raises(ValueError, match="not the key of a take's record"):
        naming.parse_take_record_key(f"v1/takes/{DIGEST}/{tail}")


@given(st.lists(st.text(max_size=80), max_size=6))
def test_a_slate_is_one_short_line(parts: list[str]) -> None:
    slate = naming.slate(*parts)
    assert len(slate) <= 120
    assert "/" not in slate
    assert slate == slate.strip()
    assert "\n" not in slate


def test_a_slate_reads_in_order() -> None:
    assert naming.slate("morning", "", "pour", "take 2") == "morning pour take 2"
    assert naming.slate("x" * 200).endswith("…")


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,40}", fullmatch=True), st.datetimes(dt.datetime(2020, 1, 1)))  # noqa: DTZ001
def test_starts_come_back(schedule: str, naive: dt.datetime) -> None:
    instant = naive.replace(second=0, microsecond=0, tzinfo=dt.UTC)
    key = naming.start_key(schedule, instant)
    assert naming.parse_start_key(key) == (schedule, instant)
    assert key.startswith(naming.start_prefix(schedule))
    there = instant.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))
    assert naming.start_key(schedule, there) == key, "one record for one instant, whatever the zone"


@pytest.mark.parametrize("instant", [
    dt.datetime(2026, 12, 14, 5, 30), dt.datetime(2026, 12, 14, 5, 30, 1, tzinfo=dt.UTC),  # noqa: DTZ001
])  # fmt: skip
def test_what_is_no_instant_never_becomes_a_key(instant: dt.datetime) -> None:
    with pytest.raises(ValueError, match="no whole minute with a zone"):
        naming.start_key("weekly", instant)


def test_what_a_start_was_settled_with_lies_beside_the_starts() -> None:
    instant = dt.datetime(2026, 12, 14, 5, 30, tzinfo=dt.UTC)
    key = naming.settled_key("weekly", instant, 2)
    assert key == "v1/schedules/weekly.settled/20261214T0530Z/00002.json"
    assert key.startswith(naming.settled_prefix("weekly", instant))
    assert not key.startswith(naming.start_prefix("weekly"))
    with pytest.raises(ValueError, match="1 is not 2 or more"):
        naming.settled_key("weekly", instant, 1)


def test_other_keys_are_no_starts() -> None:
    for key in ("v1/schedules/weekly/20261214T0530Z/attempt-1.json", "v1/schedules/weekly/now.json", "v1/runs/x"):
        with pytest.raises(ValueError, match="not the key of a start"):
            naming.parse_start_key(key)
