"""Files from a vendor, whole and not: told by their frame alone, without a decoder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from footage import film_clip
from PIL import Image

from infra.media.arrival import look_at_arrival
from infra.media.boxes import top_length


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "take.mp4"
    film_clip(path, frames=24, width=64, height=64)
    return path.read_bytes()


def look(tmp_path: Path, data: bytes) -> dict[str, object]:
    path = tmp_path / "arrived"
    path.write_bytes(data)
    return look_at_arrival(path)


def test_a_whole_film_tells_its_length(tmp_path: Path, clip: bytes) -> None:
    assert look(tmp_path, clip) == {"seconds": 1.0, "frames": 24, "tracks": ["vide avc1"]}
    assert top_length(tmp_path / "arrived") == len(clip)


def test_a_film_that_was_cut_anywhere_is_not_whole(tmp_path: Path, clip: bytes) -> None:
    for kept in (1, 7, 12, 40, len(clip) // 3, len(clip) // 2, len(clip) - 1):
        assert "fault" in look(tmp_path, clip[:kept]), kept


def test_a_film_without_a_picture_is_none(tmp_path: Path, clip: bytes) -> None:
    assert look(tmp_path, clip.replace(b"vide", b"soun")) == {"fault": "it has no picture"}
    assert "fault" in look(tmp_path, clip[:8] + b"qt  " + b"\x00" * 300)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_pictures(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"still.{kind}"
    Image.effect_noise((80, 60), 40).convert("RGB").save(path)
    data = path.read_bytes()
    assert look_at_arrival(path) == {}
    assert "fault" in look(tmp_path, data[: len(data) // 2])
    assert "fault" in look(tmp_path, data[:-3])


@pytest.mark.parametrize("data", [b"<html>gone</html>", b"{}", b"\x00" * 100])
def test_what_is_no_media_is_told(tmp_path: Path, data: bytes) -> None:
    assert look(tmp_path, data) == {"fault": "it is no picture and no film"}


def test_looking_loads_no_decoder() -> None:
    code = "import sys, infra.collecting; sys.exit('av' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
