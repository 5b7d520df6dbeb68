"""What a schedule could need on any day travels with it; what nothing names, or lies outside, stays at home."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.travelling import files_that_may_be_needed

FILES = {
    "plans/weekly.yaml": "run: ../film.yaml\nparams:\n  offer: {table: ../data/offers.csv, column: offer}\n",
    "film.yaml": "brand: brand/alder.yaml\nreferences: [{image: 'refs/${product.id}.png'}]\nnote: refs/no-such.png\n",
    "film.yaml.lock.json": "{}",
    "brand/alder.yaml": "logo: {light: logo.png}\nfonts: [../fonts/a b.ttf]\n",
    "brand/logo.png": "png",
    "fonts/a b.ttf": "ttf",
    "data/offers.csv": "id,offer,card\nkettle,£10,refs/card-10.svg\n",
    "refs/kettle.png": "png",
    "refs/press.png": "png",
    "refs/card-10.svg": "svg",
    "refs/unused.txt": "nobody names it",
    "unused.yaml": "brand: refs/unused.txt",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def found(root: Path, first: str = "plans/weekly.yaml") -> set[str]:
    return {path.relative_to(root).as_posix() for path in files_that_may_be_needed([root / first], root)}


def test_everything_that_is_named_step_by_step(root: Path) -> None:
    assert found(root) == set(FILES) - {"refs/unused.txt", "unused.yaml"}


def test_nothing_outside_the_project(root: Path) -> None:
    (root.parent / "secret.png").write_text("x")
    (root / "link.png").symlink_to(root.parent / "secret.png")
    (root / "film.yaml").write_text("images: [../secret.png, link.png, /etc/hosts.conf, 'https://a.example/b.png']")
    assert found(root, "film.yaml") == {"film.yaml", "film.yaml.lock.json"}


def test_a_look_up_below_a_folder_above(root: Path) -> None:
    (root / "plans" / "weekly.yaml").write_text("image: ../refs/${product.id}.png")
    assert {"refs/kettle.png", "refs/press.png"} < found(root)


def test_aliases_circles_and_broken_files_end(root: Path) -> None:
    (root / "film.yaml").write_text("a: &a [brand/logo.png]\nb: [*a, *a]\nself: film.yaml\nbroken: broken.yaml\n")
    (root / "broken.yaml").write_text("a: [\n")
    (root / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    assert found(root, "film.yaml") == {"film.yaml", "film.yaml.lock.json", "brand/logo.png", "broken.yaml"}
    assert found(root, "bytes.csv") == {"bytes.csv"}


def test_a_name_with_the_signs_of_a_pattern_is_only_itself(root: Path) -> None:
    (root / "film.yaml").write_text("images: ['refs/[kp]*.png', 'refs/[${x}].png']")
    assert found(root, "film.yaml") == {"film.yaml", "film.yaml.lock.json"}
    (root / "refs" / "[a].png").write_text("x")
    assert "refs/[a].png" in found(root, "film.yaml")
