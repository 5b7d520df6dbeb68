"""Animatics: which move a prompt asks for, its path, and films whose frames are decoded and measured."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import MediaError
from infra.media.animatic import film_animatic, load_fitted, to_planes
from infra.media.atmosphere import find_source
from infra.media.moves import parse_move, plan_path
from infra.media.slate_line import SlateLine

WIDTH, HEIGHT = 480, 270


def paint_scene(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    rng = np.random.default_rng(4)
    rough = rng.random((height // 15, width // 15, 3)).astype(np.float32)
    smooth = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth * 150 + 50, 0, 255).astype(np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "start.png"
    cv2.imwrite(str(path), cv2.cvtColor(paint_scene(), cv2.COLOR_RGB2BGR))
    return path


def film(image: Path, out: Path, prompt: str, *, seconds: int = 1, seed: int = 7, rate: str = "24") -> Path:
    film_animatic(
        image, out, width=WIDTH, height=HEIGHT, seconds=seconds, rate=rate, prompt=prompt, model="gen4.5", seed=seed
    )
    return out


def luma(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="yuv420p"))[:HEIGHT] for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("static wide shot, locked off", "static"),
        ("slow push in at cup height, stream stays in the left third", "push in"),
        ("slow dolly in from medium shot to close shot", "push in"),
        ("the camera slowly pulls back", "pull back"),
        ("slow pull back from the table", "pull back"),
        ("the lens zooms out", "zoom out"),
        ("slow zoom in on the label", "zoom in"),
        ("slow pan left towards the window", "pan left"),
        ("the camera pans slowly to the right", "pan right"),
        ("tilt up to the shelves", "tilt up"),
        ("tracking shot to the left", "truck left"),
        ("the camera trucks right", "truck right"),
        ("crane up over the roofs", "crane up"),
        ("the camera descends", "crane down"),
        ("slow orbit around the kettle", "orbit right"),
        ("camera roll anticlockwise", "roll anticlockwise"),
        ("slight handheld drift", "handheld"),
        ("slow handheld drift to the right", "handheld + truck right"),
        ("the same handheld drift, then a slow pan left towards the window", "handheld + pan left"),
        ("push in, then tilt up", "push in + tilt up"),
        # the subject's verbs and things are not the camera's
        ("a kettle tilted over a cup, she pans for gold, the ball rolls away", "static"),
        ("a frying pan left on the stove", "static"),
        ("steam drifts to the right", "static"),
        ("", "static"),
    ],
)
def test_prompts_name_their_move(words: str, label: str) -> None:
    assert parse_move(words).label == label


def test_a_move_after_then_begins_in_the_second_half() -> None:
    first, second = parse_move("push in, then tilt up").steps
    assert (first.start, first.end) == (0.0, 0.5)
    assert second.start > 0.4
    assert second.end == 1.0


def test_slow_goes_less_far_than_fast() -> None:
    def reach(words: str) -> float:
        path = plan_path(parse_move(words), width=WIDTH, height=HEIGHT, seconds=Fraction(4), frames=96, seed=1)
        return float(path[-1][0, 0])

    assert reach("very slow push in") > reach("slow push in") > reach("push in") > reach("fast push in")


WORDS = st.lists(
    st.sampled_from(
        [
            "pan left",
            "pan right",
            "tilt up",
            "tilt down",
            "push in",
            "zoom in",
            "crane up",
            "orbit left",
            "handheld",
            "camera roll",
            "truck right",
            "fast",
            "slow",
            "then",
            ",",
            "static",
            "very slow",
        ]
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(words=WORDS, seed=st.integers(0, 2**32 - 1), size=st.sampled_from([(480, 270), (270, 480), (300, 300)]))
def test_no_frame_looks_past_the_image_and_the_first_is_the_image(
    words: list[str], seed: int, size: tuple[int, int]
) -> None:
    width, height = size
    path = plan_path(parse_move(" ".join(words)), width=width, height=height, seconds=Fraction(3), frames=72, seed=seed)
    assert np.allclose(path[0], np.eye(3), atol=1e-9)
    corners = np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1], [1, 1, 1, 1]])
    for matrix in path:
        x, y, w = matrix @ corners
        assert (x / w).min() >= -0.02
        assert (y / w).min() >= -0.02
        assert (x / w).max() <= width - 0.98
        assert (y / w).max() <= height - 0.98


@settings(max_examples=30)
@given(words=WORDS, seed=st.integers(0, 1000))
def test_paths_have_no_jerk(words: list[str], seed: int) -> None:
    path = plan_path(parse_move(" ".join(words)), width=480, height=270, seconds=Fraction(4), frames=96, seed=seed)
    corner = np.array([m @ np.array([0.0, 0.0, 1.0]) for m in path])
    places = corner[:, :2] / corner[:, 2:]
    assert np.abs(np.diff(places, n=2, axis=0)).max() < 2.5  # pixels per frame per frame; a jump would be more


def test_first_frame_is_the_start_image(image: Path, tmp_path: Path) -> None:
    frames = luma(film(image, tmp_path / "a.mp4", "slow push in, light slowly brightens, visible steam"))
    wanted = to_planes(load_fitted(image, WIDTH, HEIGHT))[0].astype(float)
    above_the_line = slice(0, HEIGHT - 30)
    error = np.mean((frames[0][above_the_line] - wanted[above_the_line]) ** 2)
    assert 10 * np.log10(255**2 / error) > 40
    assert np.abs(frames[-1].astype(float) - wanted).mean() > 2  # and it does move


@pytest.mark.parametrize(("rate", "seconds", "count"), [("24", 2, 48), ("24000/1001", 1, 24), ("25", 1, 25)])
def test_frames_are_exact_and_tagged(image: Path, tmp_path: Path, rate: str, seconds: int, count: int) -> None:
    out = film(image, tmp_path / "a.mp4", "static", seconds=seconds, rate=rate)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(rate)
        context = stream.codec_context
        assert (context.width, context.height, context.pix_fmt) == (WIDTH, HEIGHT, "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert sum(1 for _ in container.decode(video=0)) == count


def test_same_request_same_bytes_other_seed_other_take(image: Path, tmp_path: Path) -> None:
    prompt = "slow handheld drift, thin steam, the curtain moves"
    one = film(image, tmp_path / "1.mp4", prompt)
    again = film(image, tmp_path / "2.mp4", prompt)
    other = film(image, tmp_path / "3.mp4", prompt, seed=8)
    assert one.read_bytes() == again.read_bytes()
    assert one.read_bytes() != other.read_bytes()
    apart = np.abs(luma(one)[-1].astype(float) - luma(other)[-1]).mean()
    assert 0.5 < apart < 30


@pytest.mark.parametrize("words", ["very slow pan left", "slow zoom in", "slow orbit right"])
def test_slow_moves_do_not_jitter(tmp_path: Path, words: str) -> None:
    """Soft dots are followed through the decoded film and compared with where the path puts them."""
    spots = [(120.0, 80.0), (240.0, 140.0), (350.0, 200.0)]
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    field = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 5.0**2)) for a, b in spots)
    picture = np.repeat((30 + 200 * np.asarray(field))[..., None], 3, axis=2).astype(np.uint8)
    start = tmp_path / "dots.png"
    cv2.imwrite(str(start), picture)
    frames = luma(film(start, tmp_path / "a.mp4", words, seconds=2))
    path = plan_path(parse_move(words), width=WIDTH, height=HEIGHT, seconds=Fraction(2), frames=48, seed=7)
    errors = []
    for frame, matrix in zip(frames, path, strict=True):
        for a, b in spots:
            seen = np.linalg.inv(matrix) @ np.array([a, b, 1.0])
            u, v = seen[:2] / seen[2]
            left, top = round(u) - 14, round(v) - 14
            patch = frame[top : top + 29, left : left + 29].astype(float)
            weight = np.clip(patch - 70, 0, None)
            yy, xx = np.mgrid[0:29, 0:29]
            errors.append(((weight * xx).sum() / weight.sum() + left - u, (weight * yy).sum() / weight.sum() + top - v))
    off = np.array(errors).reshape(len(frames), len(spots), 2)
    jitter = off - off.mean(axis=0)
    assert np.sqrt((jitter**2).mean()) < 0.1


def test_a_continued_film_shows_one_line_only(tmp_path: Path) -> None:
    line = SlateLine(1280, 720, "gen4.5", 6, 4105, "handheld + truck right")
    ground = cv2.resize(paint_scene(), (1280, 720), interpolation=cv2.INTER_CUBIC) // 2 + 40
    y, u, v = line.draw(to_planes(ground), 143)
    packed = np.concatenate((y.reshape(-1), u.reshape(-1), v.reshape(-1))).reshape(-1, 1280)
    seen = av.VideoFrame.from_ndarray(packed, format="yuv420p")
    seen.colorspace, seen.color_range = 1, 1
    shown = seen.to_ndarray(format="rgb24")
    following = SlateLine(1280, 720, "gen4.5", 5, 1, "static")
    strip = slice(650, 715)
    before = np.abs(shown[strip].astype(int) - ground[strip]).max()
    after = np.abs(following.without_earlier(shown)[strip].astype(int) - ground[strip]).max()
    assert before > 50
    assert after < 22
    assert np.array_equal(following.without_earlier(ground), ground)


def test_steam_comes_from_the_spout_that_the_picture_shows() -> None:
    picture = np.full((360, 640, 3), (214, 206, 190), np.uint8)
    cv2.circle(picture, (400, 240), 80, (46, 107, 79), -1)
    cv2.line(picture, (340, 220), (250, 140), (46, 107, 79), 16)
    x, y = find_source(picture, "steam rises from the spout")
    assert x == pytest.approx(245 / 640, abs=0.03)
    assert y == pytest.approx(138 / 360, abs=0.05)
    assert find_source(np.full((360, 640, 3), 120, np.uint8), "steam, cup in the right third") == (0.64, 0.6)


def test_pictures_of_another_shape_are_cropped_in_the_middle(tmp_path: Path) -> None:
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 150:250] = 200
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    assert load_fitted(tmp_path / "wide.png", 100, 100).min() == 200


@pytest.mark.parametrize("content", [b"", b"GIF89a not a picture", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"broken\.png"):
        film(path, tmp_path / "a.mp4", "static")


def test_odd_sizes_and_no_length_are_refused(image: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        film(image, tmp_path / "a.mp4", "static", seconds=0)
    with pytest.raises(MediaError):
        film_animatic(image, tmp_path / "a.mp4", width=481, height=270, seconds=1, prompt="", model="m", seed=1)
