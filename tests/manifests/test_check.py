"""Cross references and rights: everything that leads nowhere is named at its line, with what is there."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from slips import Case, case

from manifests.check import check_references, parse_date
from manifests.diagnostics import ManifestError, format_diagnostic
from manifests.loaded import LoadedSpot
from manifests.rights import EU_MEMBERS, covers

Load = Callable[..., LoadedSpot]

ERRORS = [
    case(
        {"id: pour": "id: dawn"},
        "film.yaml:22:9: shots.dawn.id: id `dawn` is taken; it is first given on line 13",
        "film.yaml:33:24: edit.transitions[0].between[1]: unknown shot `pour`",
        "    shots: dawn, dawn",
        "film.yaml:41:12: sound.effects[0].at: unknown shot `pour`",
        "    shots: dawn, dawn",
    ),
    case(
        {"{id: vo1": "{id: vo1, at: dawn, text: x}\n      - {id: vo1"},
        "film.yaml:40:14: sound.voiceover.lines.vo1.id: id `vo1` is taken; it is first given on line 39",
    ),
    case(
        {"id: dawn": "id: start", "between: [dawn": "between: [start", "at: dawn": "at: start"},
        "film.yaml:13:9: shots.start.id: `start` cannot be a shot's id: `at: start` means the start of the film",
    ),
    case(
        {"  - id: pour\n": "  - id: pour\n    continues: dwn\n"},
        "film.yaml:23:16: shots.pour.continues: unknown shot `dwn`; did you mean `dawn`?",
        "    shots: dawn, pour",
    ),
    case(
        {"  - id: pour\n": "  - id: pour\n    continues: pour\n"},
        "film.yaml:23:16: shots.pour.continues: `pour` continues itself",
        "    name an earlier shot",
    ),
    case(
        {"  - id: dawn\n": "  - id: dawn\n    continues: pour\n"},
        "film.yaml:14:16: shots.dawn.continues: `pour` comes later in the film; a shot continues an earlier one",
        "    put `pour` before `dawn`",
    ),
    case(
        {"  - id: pour\n": "  - id: pour\n    continues: dawn\n    start_image: kettle\n"},
        "film.yaml:23:16: shots.pour.continues: `continues` and `start_image` both give the first frame",
        "    keep one of the two",
    ),
    case(
        {"  - id: pour\n": "  - id: pour\n    continues: dawn\n    mode: text-to-video\n"},
        "film.yaml:24:11: shots.pour.mode: a shot that continues another is image-to-video",
        "    remove `mode`",
    ),
    case(
        {"between: [dawn, pour]": "between: [pour, dawn]"},
        "film.yaml:33:17: edit.transitions[0].between: `pour` and `dawn` are not neighbours in this order",
        "    the film: dawn, pour",
    ),
    case(
        {"between: [dawn, pour]": "between: [dawn, por]"},
        "film.yaml:33:24: edit.transitions[0].between[1]: unknown shot `por`; did you mean `pour`?",
        "    shots: dawn, pour",
    ),
    case(
        {"between: [dawn, pour], duration: 0.4": "between: [dawn, pour], duration: 5.5"},
        "film.yaml:33:41: edit.transitions[0].duration: 5.5 s is longer than `dawn`, 5 s",
    ),
    case(
        {
            "    - {between: [dawn, pour], duration: 0.4}\n": "    - {between: [dawn, pour], duration: 0.4}\n    - {between: [dawn, pour], kind: wipe}\n"
        },
        "film.yaml:34:17: edit.transitions[1].between: `dawn` and `pour` have a transition already",
    ),
    case(
        {
            "references:\n  kettle": "references:\n  unused: {kind: object, file: kettle.png, rights: {basis: owned}}\n  kettle"
        },
        "film.yaml:11:3: references.unused: no shot uses `unused`",
        "    list it in a shot's `references`, or remove it",
    ),
    case(
        {"      environment: on a pale stone worktop\n": "      environment: on a pale @worktop\n"},
        "film.yaml:19:20: shots.dawn.prompt.environment: `@worktop` is no reference",
        "    references: kettle",
    ),
    case(
        {"      subject: A matte green kettle, @kettle\n": "      subject: A matte green @ketle\n"},
        "film.yaml:17:16: shots.dawn.prompt.subject: `@ketle` is no reference; did you mean `kettle`?",
        "    references: kettle",
    ),
    case(
        {
            "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": "    prompt:\n      subject: A matte green kettle, @kettle\n"
        },
        "film.yaml:16:16: shots.dawn.prompt.subject: `@kettle` is not among this shot's references",
        "    write `references: [kettle]`",
    ),
    case(
        {
            "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": "    references: [kettle, kettle, ketle]\n    prompt:\n      subject: A matte green kettle, @kettle\n"
        },
        "film.yaml:15:26: shots.dawn.references[1]: `kettle` is listed twice",
        "film.yaml:15:34: shots.dawn.references[2]: unknown reference `ketle`; did you mean `kettle`?",
        "    references: kettle",
    ),
    case(
        {"voice: warm": "voice: worm"},
        "film.yaml:36:12: sound.voiceover.voice: no voice `worm` in the brand kit; did you mean `warm`?",
        "    voices of the brand kit: warm",
    ),
    case(
        {"prompt: water poured into a cup": "gain: -3"},
        "film.yaml:41:7: sound.effects[0]: needs `prompt` (to buy it) or `file`",
    ),
    case(
        {"prompt: water poured into a cup": "prompt: water, file: kettle.png, rights: {basis: owned}"},
        "film.yaml:41:7: sound.effects[0]: `prompt` buys an effect, `file` gives one: both are set",
        "    keep one of the two",
    ),
    case(
        {"at: pour, offset: 0.3, duration: 5": "at: pour, offset: 0.3, duration: 10"},
        "film.yaml:41:41: sound.effects[0].duration: lasts until 15.3 s; the film is 15 s long",
        "    at most 9.7 s fit here",
    ),
    case(
        {"at: pour, offset: 0.3, duration: 5": "at: pour, offset: 12, duration: 1"},
        "film.yaml:41:26: sound.effects[0].offset: begins at 17 s; the film is 15 s long",
    ),
    case(
        {"at: dawn, offset: 1.2": "at: dusk, offset: 1.2"},
        "film.yaml:39:23: sound.voiceover.lines.vo1.at: unknown shot `dusk`",
        "    shots: dawn, pour",
    ),
    case(
        {"at: dawn, offset: 1.2": "at: end, offset: 4"},
        "film.yaml:39:36: sound.voiceover.lines.vo1.offset: begins at 15 s; the film is 15 s long",
    ),
    case(
        {"card: plain, ": "card: plane, "},
        "film.yaml:43:20: graphics.end_card.card: no card `plane` in the brand kit; did you mean `plain`?",
        "    cards of the brand kit: plain",
    ),
    case(
        {"{headline: The kettle}": "{headlin: The kettle}"},
        "film.yaml:43:49: graphics.end_card.fields.headlin: card `plain` has no field `headlin`; did you mean `headline`?",
        "    its fields: headline",
    ),
    case(
        {"graphics:\n": "graphics:\n  captions: {burn: [youtube-instreem]}\n"},
        "film.yaml:43:21: graphics.captions.burn[0]: `youtube-instreem` is not delivered; did you mean `youtube-instream`?",
        "    delivered: youtube-instream",
    ),
    case(
        {"deliver:\n": 'deliver:\n  - {profile: youtube-instream, ratio: "16:9"}\n'},
        "film.yaml:46:5: deliver[1]: `youtube-instream` in 16:9 is delivered already",
    ),
    case(
        {"deliver:\n": 'deliver:\n  - {profile: youtube-instream, ratio: "9:16"}\n'},
        "film.yaml:45:40: deliver[0].ratio: no picture has the ratio 9:16: takes are made in 16:9",
        "    set `generate.ratio`, or write a spot for each ratio",
    ),
    case(
        {"  takes: 3\n": "  takes: 3\n  retry: {on_moderation: fallback}\n"},
        "film.yaml:8:26: generate.retry.on_moderation: needs `fallback`, the model to go to",
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB], people: synthetic, realism: photoreal, flight: {start: "2026-02-30", end: "2026-12-01"}}\n'
        },
        "film.yaml:47:84: compliance.flight.start: 2026-02-30 is no day of the calendar",
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB], people: synthetic, realism: photoreal, flight: {start: "2026-12-30", end: "2026-12-01"}}\n'
        },
        "film.yaml:47:103: compliance.flight.end: the flight ends on 2026-12-01, before it starts on 2026-12-30",
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB], people: synthetic, realism: photoreal, flight: {start: "2026-12-01", end: "2027-01-31"}}\n',
            "rights: {basis: owned}": 'rights: {basis: owned, expires: "2027-01-30"}',
        },
        "film.yaml:11:44: references.kettle.rights: expires 2027-01-30, flight ends 2027-01-31",
        exit_code=8,
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB], people: synthetic, realism: photoreal, flight: {start: "2026-12-01", end: "2027-01-31"}}\n',
            "rights: {basis: owned}": 'rights: {basis: owned, expires: "2027-02-31"}',
        },
        "film.yaml:11:76: references.kettle.rights.expires: 2027-02-31 is no day of the calendar",
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB, EU], people: synthetic, realism: photoreal, flight: {start: "2026-12-01", end: "2027-01-31"}}\n',
            "rights: {basis: owned}": "rights: {basis: owned, territories: [GB, DE]}",
        },
        "film.yaml:11:44: references.kettle.rights: covers GB, DE, not EU",
        exit_code=8,
    ),
    case(
        {"kind: object, file: kettle.png, rights: {basis: owned}": "kind: character, file: kettle.png"},
        "film.yaml:11:3: references.kettle: character without `rights`",
        "    add `rights: {basis: …, holder: …}`",
        exit_code=8,
    ),
    case(
        {
            "kind: object, file: kettle.png, rights: {basis: owned}": "kind: character, file: kettle.png, rights: {basis: consent}"
        },
        "film.yaml:11:47: references.kettle.rights: `basis: consent` needs the consent as `document`",
        exit_code=8,
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB], people: real, realism: photoreal, flight: {start: "2026-12-01", end: "2027-01-31"}}\n',
            "kind: object, file: kettle.png, rights: {basis: owned}": "kind: character, file: kettle.png, rights: {basis: owned}",
        },
        "film.yaml:11:47: references.kettle.rights: a real person needs a consent `document`",
        exit_code=8,
    ),
    case(
        {
            "graphics:\n": "graphics:\n  disclosure: off\n",
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB, DE, US-NY], people: synthetic, realism: photoreal, flight: {start: "2026-12-01", end: "2027-01-31"}}\n',
        },
        "film.yaml:43:3: graphics.disclosure: the label is switched off, and it is needed in DE, US-NY",
        "    write `disclosure: auto`, or `disclosure: {override: {by: NAME, reason: WHY}}`",
        exit_code=8,
    ),
    case(
        {"sound:\n": "sound:\n  music: {file: kettle.png}\n"},
        "film.yaml:35:3: sound.music: music without `rights`",
        "    add `rights: {basis: …, holder: …}`",
        exit_code=8,
    ),
    case(
        {},
        "brand.yaml:7:3: voices.warm: voice without `rights`",
        "    add `rights: {basis: …, holder: …}`",
        brand={", rights: {basis: synthetic}": ""},
        exit_code=8,
    ),
    case(
        {
            "budget: {credits: 1000}\n": 'budget: {credits: 1000}\ncompliance: {markets: [GB], people: synthetic, realism: photoreal, flight: {start: "2026-12-01", end: "2027-01-31"}}\n'
        },
        "brand.yaml:7:51: voices.warm.rights: expires 2026-12-31, flight ends 2027-01-31",
        brand={"rights: {basis: synthetic}": 'rights: {basis: licensed, expires: "2026-12-31"}'},
        exit_code=8,
    ),
    case(
        {},
        "brand.yaml:5:1: colors: unknown key `colors`; did you mean `colours`?",
        "    allowed here: manifest, kind, name, display_name, logo, colours, fonts, voices, look, never, disclosure, end_cards",
        brand={"colours:": "colors:"},
    ),
    case(
        {},
        "brand.yaml:7:3: voices.Warm: `Warm` must be lower-case letters, digits, `-` and `_`, starting with a letter, at most 40",
        "brand.yaml:7:20: voices.Warm.provider: `espeak` is not one of: elevenlabs",
        brand={"voices:\n": "voices:\n  Warm: {provider: espeak, voice_id: x}\n"},
    ),
    case(
        {"  takes: 3\n": "  take: 3\n", "voice: warm": "voice: worm"},
        "film.yaml:7:3: generate.take: unknown key `take`; did you mean `takes`?",
        "    allowed here: model, takes, seed, ratio, drafts, keyframe, upscale, retry",
        "brand.yaml:8:1: loook: unknown key `loook`; did you mean `look`?",
        "    allowed here: manifest, kind, name, display_name, logo, colours, fonts, voices, look, never, disclosure, end_cards",
        "film.yaml:36:12: sound.voiceover.voice: no voice `worm` in the brand kit; did you mean `warm`?",
        "    voices of the brand kit: warm",
        brand={"look: m": "loook: m"},
    ),
    case(
        {"  - id: pour\n": "  - id: pour\n    continus: dwn\n"},
        "film.yaml:23:5: shots.pour.continus: unknown key `continus`; did you mean `continues`?",
        "    allowed here: id, duration, prompt, references, start_image, end_image, continues, avoid, check, motion, cuts, lettering, model, takes, seed, clip, source_audio, mode, in, varies_by, when, reframe, allow_long_chain",
        "film.yaml:23:15: shots.pour.continues: unknown shot `dwn`; did you mean `dawn`?",
        "    shots: dawn, pour",
    ),
]

WARNINGS = [
    case(
        {"      subject: A matte green kettle, @kettle\n": "      subject: A matte green kettle\n"},
        "film.yaml:15:18: warning: shots.dawn.references[0]: `kettle` is listed and `@kettle` is not in the prompt",
        "    write @kettle in it",
    ),
    case(
        {"prompt: water poured into a cup": "file: kettle.png"},
        "film.yaml:41:7: warning: sound.effects[0]: effect without `rights`",
        "    add `rights: {basis: …, holder: …}`",
    ),
    case(
        {"{headline: The kettle}": "{}"},
        "film.yaml:43:13: warning: graphics.end_card: card `plain` stays empty at `headline`",
    ),
    case(
        {"budget: {credits: 1000}\n": "budget: {credits: 1000, per_shot: 2000}\n"},
        "film.yaml:46:35: warning: budget.per_shot: 2000 for one shot is more than 1000 for everything",
    ),
    case(
        {"kind: object, file: kettle.png, rights: {basis: owned}": "kind: object, file: kettle.png"},
        "film.yaml:11:3: warning: references.kettle: object without `rights`",
        "    add `rights: {basis: …, holder: …}`",
    ),
]


@pytest.mark.parametrize("slip", ERRORS, ids=[f"{number}: {slip.lines[0][:60]}" for number, slip in enumerate(ERRORS)])
def test_error_is_named_at_its_line(slip: Case, load_film: Load, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load_film(slip.changes, brand=slip.brand)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == list(slip.lines)
    assert caught.value.exit_code == slip.exit_code


@pytest.mark.parametrize("slip", WARNINGS, ids=[slip.lines[0] for slip in WARNINGS])
def test_warning_stops_nothing(slip: Case, load_film: Load, tmp_path: Path) -> None:
    loaded = load_film(slip.changes, brand=slip.brand)
    said = "\n".join(format_diagnostic(warning) for warning in loaded.warnings)
    assert said.replace(f"{tmp_path}/", "").splitlines() == list(slip.lines)


def test_a_right_film_has_nothing_to_say(load_film: Load) -> None:
    loaded = load_film()
    assert check_references(loaded) == []
    assert loaded.warnings == ()
    assert loaded.not_applied == ()


FOUR = (
    "references: {"
    + ", ".join(
        f"{name}: {{kind: object, file: kettle.png, rights: {{basis: owned}}}}"
        for name in ("cup", "pan", "jar", "kettle")
    )
    + "}"
)


def test_four_references_are_all_named(load_film: Load) -> None:
    changes = {
        "references:\n  kettle: {kind: object, file: kettle.png, rights: {basis: owned}}": FOUR,
        "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": (
            "    references: [cup, pan, jar, kettle]\n    prompt:\n      subject: A @cup, a @pan, a @jar and a @kettle\n"
        ),
    }
    with pytest.raises(ManifestError) as caught:
        load_film(changes)
    (problem,) = caught.value.diagnostics
    assert problem.detail == "4 references (cup, pan, jar, kettle); a shot takes at most 3"
    assert problem.address == "shots.dawn.references"


def test_a_long_chain_is_a_warning(load_film: Load) -> None:
    shot = """\
  - id: {id}
    duration: 5
    continues: {before}
    prompt: {{text: the kettle goes on steaming slowly}}
"""
    chain = "".join(shot.format(id=f"link{n}", before="pour" if n == 0 else f"link{n - 1}") for n in range(3))
    loaded = load_film({"edit:\n": chain + "edit:\n"})
    (warning,) = loaded.warnings
    assert warning.address == "shots.link2.continues"
    assert warning.detail == "link 3 of a chain: the subject drifts with every link"


@pytest.mark.parametrize(
    ("territories", "market", "held"),
    [
        ((), "GB", True),
        (("worldwide",), "JP", True),
        (("GB",), "GB", True),
        (("US",), "US-NY", True),
        (("US-NY",), "US", False),
        (("EU",), "DE", True),
        (("EU",), "GB", False),
        (("DE", "FR"), "EU", False),
        (tuple(sorted(EU_MEMBERS)), "EU", True),
    ],
)
def test_which_markets_a_right_covers(territories: tuple[str, ...], market: str, held: bool) -> None:
    assert covers(territories, market) is held


def test_a_date_is_a_day_of_the_calendar() -> None:
    assert parse_date("2028-02-29") is not None
    assert parse_date("2027-02-29") is None


def test_camera_beats_and_structured_moves_are_searched_for_names(load_film: Load) -> None:
    loaded = load_film(
        {"      camera: static wide shot, locked off\n": "      camera: {move: static, focus: on @kettle}\n"}
    )
    assert loaded.warnings == ()
    with pytest.raises(ManifestError, match=r"prompt\.camera\[1\]: `@ketle` is no reference"):
        load_film({"      camera: static wide shot, locked off\n": "      camera: [static, then on @ketle]\n"})


def test_an_address_of_mail_is_no_reference(load_film: Load) -> None:
    assert load_film({"text: Some mornings ask for nothing.": "text: Write to us@alder.example"}).warnings == ()
    changes = {"      environment: on a pale stone worktop\n": "      environment: a sign with us@alder.example\n"}
    assert load_film(changes).warnings == ()


def test_a_continued_shot_need_not_name_its_references(load_film: Load) -> None:
    changes = {
        "  - id: pour\n": "  - id: pour\n    continues: dawn\n",
        "      subject: A matte green kettle, @kettle, tilted": "      subject: A matte green kettle tilted",
    }
    assert load_film(changes).warnings == ()
