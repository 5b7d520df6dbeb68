"""One small film, really made: bought from the backlot, cut, mixed, captioned, measured; then run again with
changes."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pysubs2
import pytest
from projects import KEY, Ended, Project, lines_with, write_project

from infra.backlot.serve import Backlot
from infra.media.probe import probe_video
from manifests.naming import blob_key

Copy = Callable[..., Project]
FILM = """\
manifest: 1
kind: spot
name: tiny
brand: brand.yaml
generate:
  model: gen4.5
  takes: 2
  ratio: "16:9"
  keyframe: {model: gen4_image, options: 1}
references:
  cup: {kind: object, file: cup.png, rights: {basis: owned, holder: Alder}}
shots:
  - id: pour
    duration: 2
    references: [cup]
    prompt:
      subject: A green porcelain cup, @cup
      action: hot water pours in one steady stream into the cup
      environment: on the pale worktop of a quiet kitchen
      camera: slow push in at cup height
      mood: warm side light, visible steam
  - id: sip
    duration: 2
    continues: pour
    prompt:
      subject: The same green porcelain cup
      action: steam rises and drifts slowly to the right
      environment: on the same worktop
      camera: slow pan left towards the window
      mood: the same warm side light
sound:
  voiceover:
    voice: warm
    language: en-GB
    lines:
      - {id: vo1, at: pour, offset: 0.25, text: Just add water.}
  effects:
    - {at: sip, duration: 1.5, prompt: "water poured slowly", gain: -9}
graphics:
  supers:
    - {at: sip, offset: 0.5, duration: 1, text: Three minutes., place: right}
  captions: {from: voiceover, sidecar: [srt, vtt]}
  end_card: {card: plain, duration: 1, fields: {headline: Alder, legal: Boil with care.}}
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 500}
"""
STEM = "alder_tiny_16x9_5s_youtube-instream_v01"
FRAMES = 120


class Tiny:
    """The project, what `plan` said before, and how the first `run` ended."""

    def __init__(self, project: Project, plan: dict[str, Any], ended: Ended) -> None:
        self.project, self.plan, self.ended = project, plan, ended
        self.out = project.root / "out" / "tiny"
        self.sidecar = json.loads((self.out / f"{STEM}.json").read_text())

    @property
    def film(self) -> Path:
        return self.out / f"{STEM}.mp4"

    def take(self, shot: str) -> Path:
        """The circled take, as it was bought."""
        facts = next(s for s in self.sidecar["shots"] if s["shot"] == shot)
        return self.project.root / ".shotrunner" / "store" / blob_key("take", facts["sha256"])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, migrated_home: Path) -> Tiny:
    """Runs with Prefect's embedded server, as on a machine of one's own."""
    project = write_project(tmp_path_factory.mktemp("tiny") / "project", FILM, "tiny", {})
    shutil.copytree(migrated_home, project.root / ".shotrunner" / "prefect")
    plan = project.command("plan", "film.yaml", "--json")
    assert plan.code == 0, plan.text
    assert not (project.root / ".shotrunner" / "store").exists(), "plan writes nothing"
    ended = project.run()
    assert ended.code == 0, ended.text
    return Tiny(project, json.loads(plan.out), ended)


@pytest.fixture
def copied(tiny: Tiny, tmp_path: Path, prefect_server: str) -> Copy:
    """`copied((old, new), …)`: the finished project, elsewhere, with its manifest changed; on the shared server."""

    def copy(*changes: tuple[str, str]) -> Project:
        root = tmp_path / "project"
        shutil.copytree(tiny.project.root, root, ignore=shutil.ignore_patterns("prefect"))
        project = Project(root, "tiny", {"PREFECT_API_URL": prefect_server})
        project.change(*changes)
        return project

    return copy


def frames_of(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="gray")


def frames_at(path: Path, *numbers: int) -> list[np.ndarray]:
    """In rising order of number."""
    return [frame for n, frame in enumerate(frames_of(path)) if n in numbers]


def frame_at(path: Path, number: int) -> np.ndarray:
    return next(frame for n, frame in enumerate(frames_of(path)) if n == number)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean of the absolute difference in levels, at the size of the smaller one."""
    if one.shape != other.shape:
        one = cv2.resize(one, other.shape[::-1], interpolation=cv2.INTER_AREA)
    return float(np.mean(np.abs(one.astype(np.int16) - other)))


# --- the film ---


def test_the_film_has_exactly_its_frames_and_presents_exactly_its_length(tiny: Tiny) -> None:
    facts = probe_video(tiny.film)
    assert (facts.width, facts.height, facts.frames) == (1920, 1080, FRAMES)
    assert Fraction(facts.rate) == 24
    assert facts.codec == "h264"
    assert len(list(frames_of(tiny.film))) == FRAMES
    presented = tiny.sidecar["measured"]["measured"]["presented_seconds"]
    assert {track: Fraction(str(s)).limit_denominator(48000) for track, s in presented.items()} == {
        "video": 5,
        "audio": 5,
    }
    assert tiny.sidecar["mix"]["samples"] == 240_000


def test_it_passes_its_profile_when_measured_again(tiny: Tiny) -> None:
    ended = tiny.project.command("verify", str(tiny.film), "--profile", "youtube-instream", "--frames", "120")
    assert ended.code == 0, ended.text
    assert tiny.sidecar["measured"]["ok"] is True


def test_a_continued_take_starts_on_the_last_frame_shown_and_the_double_is_dropped(tiny: Tiny) -> None:
    last, first = frame_at(tiny.take("pour"), 47), frame_at(tiny.take("sip"), 0)
    apart = difference(frame_at(tiny.take("pour"), 0), first)
    assert difference(last, first) < 2 < apart
    facts = {s["shot"]: s for s in tiny.sidecar["shots"]}
    assert facts["pour"]["take_frames"] == [0, 48]
    assert facts["sip"]["take_frames"] == [1, 49]
    assert facts["sip"]["film_frames"] == [48, 96]
    source = facts["sip"]["request"]["body"]["promptImage"]
    assert source == {"derived": "out-frame/1", "source": facts["pour"]["sha256"], "frame": 47}
    shown = frame_at(tiny.film, 48)
    assert difference(shown, frame_at(tiny.take("sip"), 1)) < difference(shown, frame_at(tiny.take("sip"), 4))


def test_the_card_ends_the_film(tiny: Tiny) -> None:
    before, cut, end = frames_at(tiny.film, 95, 96, 119)
    assert difference(before, end) > 10
    assert difference(cut, end) < difference(before, end)


def test_captions_have_the_script_while_it_is_spoken(tiny: Tiny) -> None:
    for ending in ("srt", "vtt"):
        [cue] = pysubs2.load(str(tiny.out / f"{STEM}.{ending}"))
        assert cue.plaintext == "Just add water."
        assert 250 <= cue.start <= 700
        assert cue.start + 300 < cue.end <= 5000


def test_the_sidecar_leads_back_to_everything(tiny: Tiny) -> None:
    told = tiny.sidecar
    assert (told["campaign"], told["profile"], told["filmed_on_the_backlot"]) == ("tiny", "youtube-instream", True)
    assert [s["shot"] for s in told["shots"]] == ["pour", "sip"]
    for shot in told["shots"]:
        assert (shot["model"], shot["service"], shot["of"]) == ("gen4.5", "backlot", 2)
        assert shot["circled"]["by"] == "score"
        assert shot["circled"]["take"] == shot["take"]
        assert shot["task"]
        assert shot["credits"] == {"pour": 24, "sip": 36}[shot["shot"]]
    assert [(s["line"], s["text"], s["speed"]) for s in told["speech"]] == [("vo1", "Just add water.", "1")]
    assert (told["speech"][0]["model"], told["speech"][0]["request"]["body"]["text"]) == (
        "eleven_multilingual_v2",
        "Just add water.",
    )
    for sound in (*told["speech"], *told["effects"]):
        assert (sound["service"], sound["credits"] > 0, len(sound["sha256"])) == ("backlot", True, 64)
    pour, sip = told["shots"]
    assert pour["request"]["body"]["promptImage"] == {"sha256": pour["still"]["sha256"]}
    assert (pour["still"]["model"], pour["still"]["circled"]["by"]) == ("gen4_image", "score")
    assert [r["name"] for r in pour["references"]] == ["cup"]
    assert sip["still"] is None
    assert [s["text"] for s in told["graphics"]["supers"]] == ["Three minutes."]
    assert told["graphics"]["end_card"]["fields"]["headline"] == "Alder"
    assert len(told["graphics"]["end_card"]["template"]["sha256"]) == 64
    [row] = csv.DictReader((tiny.out / "trafficking.csv").read_text(encoding="utf-8").splitlines())
    assert row["content_id"] == told["content_id"], "what joins results to a film that somebody renamed"
    assert len(told["content_id"]) == 6
    assert told["tools"]["ffmpeg"]
    assert str(tiny.project.root) not in json.dumps(told)
    assert tiny.project.record.run_id not in json.dumps(told)
    rights = {item["asset"]: (item["basis"], item.get("holder")) for item in told["rights"]}
    assert rights == {"references.cup": ("owned", "Alder"), "brand.voices.warm": ("synthetic", None)}
    assert told["disclosure"]["label_drawn"] is False
    for name, facts in told["files"].items():
        assert (tiny.out / name).stat().st_size == facts["bytes"]


def test_the_dailies_show_every_take_and_why(tiny: Tiny) -> None:
    page = (tiny.out / "dailies.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 5, "a poster of each of four takes and of the still"
    assert "backlot" in page
    assert lines_with(page, ["score"])
    assert "24" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_the_run_says_what_it_did(tiny: Tiny) -> None:
    assert "backlot: no vendor key is set, nothing will be spent" in tiny.ended.out
    assert f"{len(purchases(tiny))} vendor calls, {tiny.plan['credits']['total']} play credits" in tiny.ended.out
    assert f"{STEM}.mp4" in tiny.ended.out
    record = tiny.project.record
    assert (record.exit_code, record.problems, record.paid) == (0, (), False)
    assert record.calls == len(purchases(tiny))
    assert record.spent_credits == tiny.plan["credits"]["total"]
    (fit,) = record.fits
    assert (fit.line, fit.locale, fit.speed, fit.silence) == ("vo1", "en-GB", "1", 0)
    assert 0 < fit.seconds <= fit.room + 1


# --- money ---


def purchases(tiny: Tiny) -> list[dict[str, Any]]:
    return [a for a in tiny.plan["actions"] if a["verb"] == "buy"]


def test_exactly_the_plan_was_bought(tiny: Tiny) -> None:
    tiny.project.assert_nothing_twice()
    assert len(tiny.project.creates()) == len(purchases(tiny)) == 7
    assert Counter(entry["path"].split("/")[2] for entry in tiny.project.log.creates()) == {
        "text_to_image": 1, "image_to_video": 4, "text-to-speech": 1, "sound-generation": 1,
    }  # fmt: skip
    tiny.project.assert_books_agree()
    assert tiny.project.balance_spent() == tiny.plan["credits"]["total"] == tiny.project.record.spent_credits


def test_no_name_of_ours_reached_the_vendor(tiny: Tiny) -> None:
    books = (tiny.project.root / ".shotrunner" / "backlot" / "books.jsonl").read_text()
    assert "green porcelain cup" in books, "the prompt is there, so the others would be too"
    for name in ("tiny", '"pour"', '"sip"', "vo1"):
        assert name not in books


def test_a_rehearsal_never_counts_as_bought(tiny: Tiny) -> None:
    ended = tiny.project.command(
        "plan", "film.yaml", "--json", env={"RUNWAYML_API_SECRET": KEY, "ELEVENLABS_API_KEY": "sk_" + "7f" * 24}
    )
    plan = json.loads(ended.out)
    assert plan["service"] == "runway"
    assert {a["verb"] for a in plan["actions"]} == {"buy"}
    assert plan["credits"]["total"] == tiny.plan["credits"]["total"]
    assert plan["credits"]["spent"] == 0


# --- what Prefect keeps ---


def test_the_history_is_complete_named_by_slates_and_says_nothing(tiny: Tiny) -> None:
    path = tiny.project.root / ".shotrunner" / "prefect" / "prefect.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        flows = base.execute("select name, state_type, parameters from flow_run").fetchall()
        tasks = base.execute("select name, state_type from task_run").fetchall()
        everything = "\n".join(base.iterdump())
    assert [(name, state) for name, state, _ in flows] == [("tiny", "COMPLETED")]
    assert set(json.loads(flows[0][2])) == {"plan", "store"}
    assert {state for _, state in tasks} == {"COMPLETED"}
    names = Counter(name for name, _ in tasks)
    for slate in ("tiny pour still 1", "tiny pour take 1", "tiny pour take 2 screen", "tiny sip take 2", "tiny vo1 fit",
                  "tiny youtube-instream 16:9 stitch", "tiny youtube-instream 16:9 encode", "tiny wrap"):  # fmt: skip
        assert names[slate] == 1, names
    for secret in ("porcelain", "steady stream", "Just add water", "key_0"):
        assert secret not in everything, secret


# --- again, and with changes ---


def test_run_again_does_nothing_at_all(copied: Copy) -> None:
    project = copied()
    asked, steps = len(project.log.entries()), project.steps_made()
    ended = project.run()
    assert ended.code == 0, ended.text
    assert "nothing to do; 0 vendor calls, 0 encodes, 0 credits" in ended.out
    assert len(project.log.entries()) == asked
    assert project.steps_made() == steps
    answer = json.loads(project.run("--json").out)
    assert (answer["calls"], answer["encodes"], answer["credits"]) == (0, 0, 0)


def test_run_again_brings_back_files_that_were_deleted_or_spoilt(copied: Copy) -> None:
    project = copied()
    film, captions = (project.root / "out" / "tiny" / f"{STEM}.{ending}" for ending in ("mp4", "srt"))
    before = film.read_bytes()
    film.write_bytes(b"spoilt")
    captions.unlink()
    assert project.run().code == 0
    assert film.read_bytes() == before
    assert captions.is_file()


def test_other_words_on_screen_cost_no_call(copied: Copy) -> None:
    project = copied(("Three minutes.", "Four minutes."))
    before, asked = project.steps_made(), len(project.creates())
    ended = project.run()
    assert ended.code == 0, ended.text
    assert len(project.creates()) == asked
    assert dict(project.steps_made() - before) == {
        "graphics": 1, "contrast": 1, "section": 1, "stitch": 1, "encode": 1, "verify": 1,
    }  # fmt: skip
    assert "0 vendor calls, 0 play credits; 2 encodes" in ended.out


@pytest.mark.slow
def test_made_again_on_a_cluster_it_is_the_same_byte_for_byte(copied: Copy, tiny: Tiny) -> None:
    """Every step, with nothing left of what this machine made."""
    project = copied()
    made, creates = project.steps_made(), len(project.creates())
    for part in ("steps", "out", "blobs/tmp", "blobs/out"):
        shutil.rmtree(project.root / ".shotrunner" / "store" / "v1" / part)
    shutil.rmtree(project.root / "out")
    ended, events = project.run_events("--media-runner", "dask")
    assert ended.code == 0, ended.text
    assert {"message_type": "media", "runner": "dask", "address": None} in events
    assert project.steps_made() == Counter({name: n for name, n in made.items() if name != "out_frame"}), "it is bought"
    assert len(project.creates()) == creates
    film = project.root / "out" / "tiny" / f"{STEM}.mp4"
    assert film.read_bytes() == tiny.film.read_bytes()


def test_a_cluster_that_does_not_answer_stops_the_run_before_it_buys(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", FILM, "tiny", {"SHOTRUNNER_MEDIA_RUNNER": "dask"})
    ended = project.run(env={"SHOTRUNNER_DASK_ADDRESS": "tcp://127.0.0.1:9"})
    assert ended.code == 6, ended.text
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in ended.err
    assert "SHOTRUNNER_DASK_ADDRESS" in ended.err
    assert not (project.root / ".shotrunner" / "backlot").exists()


def test_another_prompt_buys_that_shot_and_nothing_else(copied: Copy) -> None:
    project = copied(("steam rises and drifts slowly to the right", "steam rises and drifts slowly to the left"))
    before = len(project.creates())
    ended = project.run()
    assert ended.code == 0, ended.text
    assert len(project.creates()) == before + 2
    project.assert_nothing_twice()
    project.assert_books_agree()
    old = json.loads((project.root / "out" / "tiny" / f"{STEM}.json").read_text())
    assert {s["shot"]: s["credits"] for s in old["shots"]} == {"pour": 24, "sip": 36}
    assert project.record.spent_credits == 72


def test_a_shot_that_continues_a_changed_one_is_bought_anew_too(copied: Copy) -> None:
    project = copied(("one steady stream", "one thin stream"))
    plan = json.loads(project.command("plan", "film.yaml", "--json").out)
    bought = {a["id"] for a in plan["actions"] if a["verb"] == "buy"}
    assert bought == {"pour/take-1", "pour/take-2", "sip/take-1", "sip/take-2"}
    assert {a["id"] for a in plan["actions"] if a["verb"] == "keep"} == {"vo1/line-1", "sip-1/effect-1", "pour/still-1"}


def test_a_changed_reference_stops_the_run_until_it_is_meant(copied: Copy) -> None:
    project = copied()
    picture = cv2.imread(str(project.root / "cup.png"))
    cv2.imwrite(str(project.root / "cup.png"), picture[:, ::-1])
    asked = len(project.log.entries())
    ended = project.run()
    assert ended.code == 2, ended.text
    assert "--accept-reference" in ended.err
    assert len(project.log.entries()) == asked


# --- a vendor somewhere else, and a store somewhere else ---


@pytest.mark.slow
def test_the_projects_settings_count_and_its_key_is_kept_nowhere(film: Callable[..., Project], tmp_path: Path) -> None:
    """The store lies outside of the project, so nothing but the project can say which vendor is meant."""
    project = film()
    shutil.move(project.root / ".shotrunner" / "store", tmp_path / "elsewhere")
    with Backlot(tmp_path / "lot", latency=0) as lot:
        (project.root / "shotrunner.toml").write_text(f'store = "{tmp_path}/elsewhere"\nrunway_url = "{lot.url}"\n')
        ended = project.run(env={"RUNWAYML_API_SECRET": KEY})
        assert ended.code == 0, ended.text
        assert len(lot.log.creates()) == 1
        said = ended.out + ended.err
    assert not (project.root / ".shotrunner" / "store").exists()
    kept = [path for folder in (project.root, tmp_path / "elsewhere") for path in folder.rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert KEY not in said
    for path in kept:
        assert KEY.encode() not in path.read_bytes(), path
