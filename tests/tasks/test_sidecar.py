"""The sidecar of the example film, bought on paper: every part is in it, and nothing that two runs would not share."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paper import AT, Paper

from infra.clock import SystemClock
from infra.production import SpokenTake
from infra.selections import keep_decisions
from infra.state import StoreState
from infra.storage.memory import MemoryStore
from manifests.adnames import content_id
from manifests.approvals import Decisions, Word
from manifests.expand import Want
from manifests.films import Variant
from manifests.journal import BlobRef, StepResult
from manifests.matrix import Axis, AxisValue, Matrix
from manifests.naming import variant_name
from manifests.schema import DisclosureOverride, DisclosureReason
from manifests.validity import ValidTo
from tasks.sidecar import build_sidecar

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
FOREIGN = ("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_", "AWS_")
FILM_BLOB = BlobRef(kind="out", sha256="f" * 64, size=9, content_type="video/mp4")


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Bought:
    """The film as a run would hold it at its end."""

    def __init__(self, paper: Paper) -> None:
        self.prepared = paper.prepared()
        checked, planner = self.prepared.checked, self.prepared.planner
        self.wants = {want.id: want for want in self.prepared.plan.wants}
        self.walks = planner.walks
        self.production: Any = SimpleNamespace(
            plan=self.prepared.plan, spot=checked.loaded.spot, brand=checked.loaded.brand, cut=checked.cut,
            want=self.wants.__getitem__, state=lambda: StoreState(self.prepared.store, SystemClock()),
            store=self.prepared.store, variant=next(self.prepared.plan.variants),
        )  # fmt: skip

    def picture(self, want_id: str) -> Any:
        if want_id not in self.wants:
            return None
        want, walk = self.wants[want_id], self.walks[want_id]
        chosen = next(n for n in walk.wanted if n.result is not None)
        selection = self.production.state().selection(walk.segment)
        still = self.picture(want.address + "/still") if want.what == "take" else None
        return SimpleNamespace(
            want=want, chosen=chosen, walk=walk, selection=selection, still=still, result=chosen.result, trim=0
        )

    def blob(self, want: Want) -> BlobRef:
        result = self.walks[want.id].wanted[0].result
        assert result is not None
        return result.blob

    def sidecar(self) -> dict[str, Any]:
        spot, plan = self.production.spot, self.prepared.plan
        lines = [
            SpokenTake(line, self.blob(self.wants[f"{line.id}/line"]), FILM_BLOB, 0, 1.5, Decimal(1), None)
            for line in spot.sound.voiceover.lines
        ]
        room = plan.file("sound.effects[1].file")
        effects = {
            0: self.blob(self.wants["pour-1/effect"]),
            1: BlobRef(kind="ref", sha256=room.sha256, size=room.size, content_type=room.content_type),
        }
        step = StepResult(
            key="k", name="verify", version=1, facts={"samples": 1, "lufs": -14, "true_peak": -1}, files={}, at=AT
        )
        circled = {cut.id: self.picture(f"{cut.id}/take") for cut in self.production.cut.shots}
        return build_sidecar(
            self.production, spot.deliver[0], {"film.mp4": FILM_BLOB}, circled, lines, effects, step, step
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    """Filmed once: the tests only read. It is the working folder."""
    root = tmp_path_factory.mktemp("sidecar") / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("*.lock.json"))
    (root / "shotrunner.toml").write_text("")
    shutil.copy(root / "morning-30s.yaml", root / "film.yaml")
    paper = Paper(root)
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(FOREIGN)]:
            patch.delenv(name)
        patch.chdir(root)
        for number in range(3):  # a still's take, and what continues that, each wait for a circle
            paper.film()
            paper.ran(run_id=f"20261123-0530-{number:04d}")
        yield paper


@pytest.fixture(scope="module")
def filmed(project: Paper) -> Bought:
    return Bought(project)


@pytest.fixture
def bought(filmed: Bought) -> Iterator[Bought]:
    spot = filmed.production.spot
    yield filmed
    filmed.production.spot = spot


def test_every_picture_leads_back_to_its_still_and_references(bought: Bought) -> None:
    shots = {s["shot"]: s for s in bought.sidecar()["shots"]}
    pour, sip = shots["pour"], shots["sip"]
    still = pour["still"]
    assert pour["request"]["body"]["promptImage"] == {"sha256": still["sha256"]}
    assert (still["model"], still["take"], still["of"], still["circled"]["by"]) == ("gen4_image", 1, 2, "score")
    assert still["credits"] == bought.wants["pour/still"].credits
    assert "@kettle" in still["request"]["body"]["promptText"]
    assert [(r["name"], r["sha256"]) for r in pour["references"]] == [
        ("kettle", sha256("refs/kettle-front.png")),
        ("kitchen", sha256("refs/kitchen-wide.jpg")),
    ]
    assert pour["references"][1]["rights"]["document_sha256"] == sha256("rights/stock-kitchen.txt")
    assert (sip["still"], sip["references"]) == (None, [])


def test_until_when_it_is_good_stands_only_in_what_ends(bought: Bought) -> None:
    """A film without an end has the sidecar that it always had."""
    plain = bought.sidecar()
    assert not [key for key in plain if key.startswith("valid_to")]
    variant, end = bought.production.variant, ValidTo(day=dt.date(2026, 12, 20), table="data/cups.csv", line=3)
    axes = (Axis(name="cup", values=(AxisValue(id="blue", fields={}, valid_to=end),)),)
    source = variant.source.model_copy(update={"matrix": Matrix(axes=axes, cells=(("blue",),))})
    bought.production.variant = Variant(source, ("blue",))
    try:
        told = bought.sidecar()
    finally:
        bought.production.variant = variant
    assert {key: told[key] for key in told if key not in plain} == {
        "valid_to": "2026-12-20", "valid_to_zone": "UTC", "valid_to_row": "data/cups.csv:3",
    }  # fmt: skip


def test_every_sound_says_who_made_it_and_for_how_much(bought: Bought) -> None:
    told = bought.sidecar()
    water, room = told["effects"]
    assert water["prompt"] == water["request"]["body"]["text"] == "water poured into a ceramic cup, close microphone"
    assert water["credits"] == bought.wants["pour-1/effect"].credits
    assert (room["file"], room["sha256"]) == ("audio/room-tone.flac", sha256("audio/room-tone.flac"))
    assert "credits" not in room
    assert told["music"]["sha256"] == sha256("audio/bed-piano.flac")
    for line in told["speech"]:
        assert (line["model"], line["voice"]) == ("eleven_multilingual_v2", "alder-warm")
        assert line["credits"] == bought.wants[f"{line['line']}/line"].credits
    assert "Awl-der" in told["speech"][2]["request"]["body"]["text"], "what was sent, beside what was written"


def test_words_on_screen_and_what_they_are_drawn_with(bought: Bought) -> None:
    graphics = bought.sidecar()["graphics"]
    assert [s["style"] for s in graphics["supers"]] == ["super", "legal"]
    assert graphics["end_card"]["template"]["sha256"] == sha256("brand/cards/plain.svg")
    assert graphics["end_card"]["fields"]["legal"] == "alder.example"
    assert graphics["logo"]["dark"]["sha256"] == sha256("brand/logo-dark.png")
    latin = {
        "file": "fonts/OpenSans-Semibold.ttf", "built_in": False,
        "sha256": sha256("brand/fonts/OpenSans-Semibold.ttf"),
    }  # fmt: skip
    assert graphics["fonts"] == {"latin": latin}, "the Japanese font of the kit draws nothing here"


def test_rights_name_their_papers_by_digest(bought: Bought) -> None:
    rights = {item["asset"]: item for item in bought.sidecar()["rights"]}
    assert rights["sound.music"]["document_sha256"] == sha256("rights/music-bed-piano.txt")
    assert rights["sound.music"]["sha256"] == sha256("audio/bed-piano.flac")
    assert rights["brand.voices.alder-warm"]["document_sha256"] == sha256("rights/voice-talent-rider.txt")
    assert "document_sha256" not in rights["references.kettle"]


def test_why_there_is_no_label(bought: Bought) -> None:
    told = bought.sidecar()["disclosure"]
    assert (told["label_drawn"], told["needed_in"]) == (False, [])
    assert told["why_not_drawn"] == "this version draws no label; no market's rule asks for one"
    assert told["generated"] == {"picture": True, "stills": True, "speech": True, "effects": True, "music": False}

    spot = bought.production.spot
    wider = spot.compliance.model_copy(update={"markets": ("DE", "US-NY", "GB")})
    bought.production.spot = spot.model_copy(update={"compliance": wider})
    told = bought.sidecar()["disclosure"]
    assert [(n["market"], n["because"]) for n in told["needed_in"]] == [
        ("DE", "generated pictures that look real"),
        ("US-NY", "synthetic people"),
    ]
    assert told["why_not_drawn"] == "this version draws no label"

    signed = DisclosureOverride(override=DisclosureReason(by="Mara", reason="the page says it"))
    graphics = spot.graphics.model_copy(update={"disclosure": signed})
    bought.production.spot = spot.model_copy(update={"graphics": graphics})
    assert bought.sidecar()["disclosure"]["why_not_drawn"] == "switched off by Mara: the page says it"


def test_who_let_the_film_pass_and_when(bought: Bought) -> None:
    assert "said" not in bought.sidecar()
    deliver = bought.production.spot.deliver[0]
    variant = variant_name(deliver.ratio, deliver.profile)
    word = Word(address=variant, what="film", target=variant, sha256=FILM_BLOB.sha256, decision="approve", note="fine")
    other = word.model_copy(update={"sha256": "0" * 64, "decision": "reject", "reasons": ("logo",)})
    said = Decisions(campaign=bought.prepared.plan.campaign, by="legal", person="jan", at=AT, words=(word, other))
    bought.production.store = MemoryStore()
    keep_decisions(bought.production.store, said)
    try:
        assert bought.sidecar()["said"] == [
            {"decision": "approve", "by": "legal", "note": "fine", "person": "jan", "at": AT.isoformat()}
        ]
    finally:
        bought.production.store = bought.prepared.store


def test_it_can_be_told_by_its_content_and_holds_no_time_and_no_place(bought: Bought) -> None:
    told = bought.sidecar()
    text = json.dumps(told)
    assert told == json.loads(text), "plain data"
    assert len(told["content_sha256"]) == 64
    assert told["content_id"] == content_id(FILM_BLOB.sha256), "the id of the trafficking sheet"
    assert set(told["tools"]) == {"shotrunner", "ffmpeg", "x264"}
    assert str(Path.cwd()) not in text
    assert AT.date().isoformat() not in text
    assert "20261123-0530" not in text
    assert bought.sidecar() == told
