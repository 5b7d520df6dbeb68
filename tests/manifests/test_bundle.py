"""A bundle names its files by paths that stay inside the folder it is written to, and its digest is of nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.bundle import Bundle, check_inside
from manifests.journal import BlobRef

REF = BlobRef(kind="ref", sha256="0" * 64, size=1, content_type="text/plain")


def bundle(*paths: str) -> Bundle:
    return Bundle(name="weekly", path=paths[0], files=dict.fromkeys(paths, REF))


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../film.yaml", "a/../../b", "a//b", "./a", "a/", "", ".", "..", "a\\..\\b", "a\0b"]
)
def test_no_path_leads_outside(path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        check_inside(path)
    with pytest.raises(ValidationError, match="not a path inside"):
        bundle("weekly.yaml", path)


def test_the_schedule_is_one_of_the_files() -> None:
    with pytest.raises(ValidationError, match="not among its files"):
        Bundle(name="weekly", path="other.yaml", files={"weekly.yaml": REF})


def test_no_file_is_a_folder() -> None:
    with pytest.raises(ValidationError, match="both a file and a folder"):
        bundle("weekly.yaml", "data", "data/offers.csv")


@given(st.permutations(["weekly.yaml", "film.yaml", "data/offers.csv", "shotrunner.toml"]))
def test_the_digest_does_not_depend_on_the_order(paths: list[str]) -> None:
    files = dict.fromkeys(paths, REF)
    one = Bundle(name="weekly", path="weekly.yaml", files=files)
    other = bundle("weekly.yaml", "data/offers.csv", "film.yaml", "shotrunner.toml")
    assert one.digest == other.digest


def test_every_word_of_it_counts() -> None:
    one = bundle("weekly.yaml", "film.yaml")
    others = [
        bundle("weekly.yaml"),
        bundle("film.yaml", "weekly.yaml"),
        one.model_copy(update={"name": "monthly"}),
        one.model_copy(update={"files": {**one.files, "film.yaml": REF.model_copy(update={"sha256": "1" * 64})}}),
    ]
    assert len({one.digest, *(Bundle.model_validate(o.model_dump(by_alias=True)).digest for o in others)}) == 5
