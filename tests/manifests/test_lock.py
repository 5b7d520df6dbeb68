"""Pins: what is written, what counts as changed, what accepting does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.diagnostics import ManifestError
from manifests.lock import (
    Lock,
    LockedFile,
    accept,
    compare_lock,
    describe_change,
    format_lock,
    lock_digest,
    lock_path,
    make_lock,
    parse_lock,
    read_lock,
)
from manifests.ratecard import load_models, rate_card_date, rate_card_digest

MODELS = load_models()


def pin(name: str, digit: str = "a", path: str | None = None) -> LockedFile:
    return LockedFile(name=name, path=path or f"refs/{name}.png", sha256=digit * 64, bytes=1234, width=1600, height=900)


def make(*files: LockedFile, rates: str = "0" * 64, models: tuple[str, ...] = ("gen4.5",)) -> Lock:
    by_key = {f"references.{file.name}.file": file for file in files}
    return make_lock(by_key, (MODELS[name] for name in models), rates, "2026-09-27")


def test_a_lock_says_what_was_used() -> None:
    lock = make_lock(
        {"references.kettle.file": pin("kettle")}, [MODELS["gen4.5"]], rate_card_digest(), rate_card_date()
    )
    told = json.loads(format_lock(lock))
    assert told["schema"] == "lock/1"
    assert told["files"]["references.kettle.file"] == {
        "name": "kettle",
        "path": "refs/kettle.png",
        "sha256": "a" * 64,
        "bytes": 1234,
        "width": 1600,
        "height": 900,
    }
    assert told["models"]["gen4.5"]["as_of"] == "2026-10-23"
    assert told["rate_card"] == {"as_of": rate_card_date(), "digest": rate_card_digest()}


def test_sound_has_no_pixel_size() -> None:
    bed = LockedFile(name="bed", path="bed.wav", sha256="b" * 64, bytes=5)
    assert '"width"' not in format_lock(make(bed))


@given(st.permutations(["kettle", "woman", "kitchen"]))
def test_the_order_of_files_does_not_matter(names: list[str]) -> None:
    lock = make(*(pin(name) for name in names))
    assert format_lock(lock) == format_lock(make(pin("kettle"), pin("woman"), pin("kitchen")))
    assert parse_lock(format_lock(lock).encode(), "x") == lock
    assert lock_digest(lock) == lock_digest(parse_lock(format_lock(lock).encode(), "x"))


def test_nothing_changed() -> None:
    assert not compare_lock(make(pin("kettle")), make(pin("kettle")))


def test_changed_new_and_missing() -> None:
    old = make(pin("kettle"), pin("woman"), pin("kitchen"))
    drift = compare_lock(old, make(pin("kettle", "b"), pin("kitchen"), pin("cup")))
    assert drift
    assert [change.key for change in drift.changed] == ["references.kettle.file"]
    assert drift.new == ("references.cup.file",)
    assert drift.missing == ("references.woman.file",)
    told = describe_change(drift.changed[0])
    assert "kettle" in told
    assert "aaaaaaaaaaaa (1,234 bytes, 1600x900)" in told
    assert "bbbbbbbbbbbb" in told


def test_another_path_in_the_manifest_is_a_decision_and_no_drift() -> None:
    drift = compare_lock(make(pin("kettle")), make(pin("kettle", "b", path="refs/kettle-2.png")))
    assert (drift.changed, drift.new) == ((), ("references.kettle.file",))
    moved = compare_lock(make(pin("kettle")), make(pin("kettle", "a", path="elsewhere.png")))
    assert not moved  # the same bytes under another path


def test_models_and_prices_that_moved_are_told() -> None:
    old, new = make(pin("kettle")), make(pin("kettle"), rates="1" * 64)
    assert compare_lock(old, new).prices_moved
    row = MODELS["gen4.5"].model_copy(update={"prompt_units": 2000})
    changed = make_lock({"references.kettle.file": pin("kettle")}, [row], "0" * 64, "2026-09-27")
    assert compare_lock(old, changed).models == ("gen4.5",)
    assert compare_lock(old, make(pin("kettle"), models=("gen4.5", "veo3.1"))).models == ()


@pytest.mark.parametrize("name", ["kettle", "references.kettle.file", "refs/kettle.png"])
def test_accepting_takes_the_new_pin_of_that_file_only(name: str) -> None:
    old, new = make(pin("kettle"), pin("woman")), make(pin("kettle", "b"), pin("woman", "c"), pin("cup"))
    written = accept(old, new, [name])
    assert written.files["references.kettle.file"].sha256 == "b" * 64
    assert written.files["references.woman.file"].sha256 == "a" * 64  # still stops the next run
    assert "references.cup.file" in written.files
    assert [change.key for change in compare_lock(written, new).changed] == ["references.woman.file"]
    assert not compare_lock(accept(old, new, [name, "woman"]), new)


def test_accepting_again_changes_nothing() -> None:
    old, new = make(pin("kettle")), make(pin("kettle", "b"))
    once = accept(old, new, ["kettle"])
    assert accept(once, new, ["kettle"]) == once == new


def test_accepting_what_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ManifestError, match=r"no file is called `kettel`; did you mean `kettle`\?") as caught:
        accept(make(pin("kettle")), make(pin("kettle", "b")), ["kettel"])
    assert caught.value.exit_code == 2
    assert caught.value.diagnostics[0].remedy == "changed: kettle"


def test_the_lock_lies_beside_its_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "film.yaml"
    assert lock_path(manifest) == tmp_path / "film.yaml.lock.json"
    assert read_lock(manifest) is None
    lock_path(manifest).write_text(format_lock(make(pin("kettle"))))
    assert read_lock(manifest) == make(pin("kettle"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\x00", "utf"),
        (b"[]", "valid dictionary"),
        (b'{"schema": "lock/2"}', "schema"),
        (b"[" * 100_000, "recursion"),
        (b" " * 5_000_001, "at most"),
    ],
)
def test_a_damaged_lock_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    manifest = tmp_path / "film.yaml"
    lock_path(manifest).write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        read_lock(manifest)
    (found,) = caught.value.diagnostics
    assert said in found.detail
    assert found.where.file.endswith("film.yaml.lock.json")
    assert "version control" in found.remedy


def test_a_lock_that_cannot_be_read(tmp_path: Path) -> None:
    lock_path(tmp_path / "film.yaml").mkdir()
    with pytest.raises(ManifestError, match="cannot be read"):
        read_lock(tmp_path / "film.yaml")


def test_no_unknown_keys_and_no_bad_digests() -> None:
    told = json.loads(format_lock(make(pin("kettle"))))
    told["files"]["references.kettle.file"]["sha256"] = "A" * 64
    with pytest.raises(ManifestError, match="sha256"):
        parse_lock(json.dumps(told).encode(), "x")
    told = {**json.loads(format_lock(make(pin("kettle")))), "extra": 1}
    with pytest.raises(ManifestError, match="extra"):
        parse_lock(json.dumps(told).encode(), "x")
