"""Every slip against the models: the whole message, with its line and column, and nothing else."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from slips import Case, case

from manifests.diagnostics import ManifestError
from manifests.loaded import LoadedSpot

Load = Callable[..., LoadedSpot]

SLIPS = [
    case(
        {"  takes: 3\n": "  take: 3\n"},
        "film.yaml:7:3: generate.take: unknown key `take`; did you mean `takes`?",
        "    allowed here: model, takes, seed, ratio, drafts, keyframe, upscale, retry",
    ),
    case(
        {"  takes: 3\n": "  takes: three\n"},
        "film.yaml:7:10: generate.takes: must be a whole number, not the text `three`",
    ),
    case(
        {"  takes: 3\n": "  takes: '3'\n"},
        "film.yaml:7:10: generate.takes: must be a whole number, not the text `3`",
        "    write 3",
    ),
    case(
        {"  takes: 3\n": "  takes: 3.0\n"},
        "film.yaml:7:10: generate.takes: must be a whole number, not the number 3.0",
        "    write it without a decimal point",
    ),
    case(
        {"  takes: 3\n": "  takes: true\n"}, "film.yaml:7:10: generate.takes: must be a whole number, not the word true"
    ),
    case({"  takes: 3\n": "  takes: 21\n"}, "film.yaml:7:10: generate.takes: must be at most 20, is 21"),
    case({"  takes: 3\n": "  takes: 0\n"}, "film.yaml:7:10: generate.takes: must be at least 1, is 0"),
    case(
        {"  takes: 3\n": "  takes:\n"},
        "film.yaml:7:9: generate.takes: has no value",
        "    give it one, or remove the key",
    ),
    case({"  takes: 3\n": "  takes: [3]\n"}, "film.yaml:7:10: generate.takes: must be a whole number, not a list"),
    case(
        {"  takes: 3\n": "  takes: 99999999999999999999999\n"},
        "film.yaml:7:10: generate.takes: must be a whole number, not the text `99999999999999999999999`",
    ),
    case(
        {'  ratio: "16:9"\n': "  ratio: 16\n"},
        "film.yaml:8:10: generate.ratio: must be text, not the number 16",
        '    put it in quotes: "16"',
    ),
    case(
        {'  ratio: "16:9"\n': "  ratio: 16x9\n"},
        'film.yaml:8:10: generate.ratio: `16x9` must be a ratio in quotes, such as "16:9"',
    ),
    case(
        {"    duration: 5\n": "    duration: 1:30\n"},
        "film.yaml:14:15: shots.dawn.duration: must be a number, not the text `1:30`",
        "    write seconds as a plain number, such as 90 or 1.5",
    ),
    case(
        {"    duration: 5\n": "    duration: 5,5\n"},
        "film.yaml:14:15: shots.dawn.duration: must be a number, not the text `5,5`",
        "    write 5.5",
    ),
    case({"    duration: 5\n": "    duration: 0\n"}, "film.yaml:14:15: shots.dawn.duration: must be more than 0, is 0"),
    case(
        {"    duration: 5\n": "    duration: 5.0005\n"},
        "film.yaml:14:15: shots.dawn.duration: 5.0005 has more than 3 decimals",
    ),
    case(
        {"    duration: 5\n": "    duration: 4000\n"},
        "film.yaml:14:15: shots.dawn.duration: must be at most 3600, is 4000",
    ),
    case(
        {"    duration: 5\n": "    durration: 5\n"},
        "film.yaml:14:5: shots.dawn.durration: unknown key `durration`; did you mean `duration`?",
        "    allowed here: id, duration, prompt, references, start_image, end_image, continues, avoid, check, motion, cuts, lettering, model, takes, seed, clip, source_audio, mode, in, varies_by, when, reframe, allow_long_chain",
    ),
    case({"    duration: 5\n": ""}, "film.yaml:13:5: shots.dawn: missing key `duration`"),
    case(
        {"      camera: static wide shot, locked off\n": "      camra: static wide shot, locked off\n"},
        "film.yaml:20:7: shots.dawn.prompt.camra: unknown key `camra`; did you mean `camera`?",
        "    allowed here: subject, action, environment, camera, mood, layout, text",
    ),
    case(
        {"      camera: static wide shot, locked off\n": ""}, "film.yaml:16:5: shots.dawn.prompt: missing key `camera`"
    ),
    case(
        {"      camera: static wide shot, locked off\n      mood: soft window light from the left\n": ""},
        "film.yaml:16:5: shots.dawn.prompt: missing keys `camera`, `mood`",
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera:\n"},
        "film.yaml:20:14: shots.dawn.prompt.camera: has no value",
        "    give it one, or remove the key",
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera: 5\n"},
        "film.yaml:20:15: shots.dawn.prompt.camera: must be a sentence, a list of sentences, or a map with `move`, not the number 5",
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera: {mov: dolly}\n"},
        "film.yaml:20:16: shots.dawn.prompt.camera.mov: unknown key `mov`; did you mean `move`?",
        "    allowed here: move, direction, speed, focus, hold, framing",
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera: {move: dolly, speed: rapid}\n"},
        "film.yaml:20:36: shots.dawn.prompt.camera.speed: `rapid` is not one of: very slow, slow, medium, fast",
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera: [dolly in slowly, 5]\n"},
        "film.yaml:20:33: shots.dawn.prompt.camera[1]: must be text, not the number 5",
        '    put it in quotes: "5"',
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera: []\n"},
        "film.yaml:20:15: shots.dawn.prompt.camera: is an empty list",
    ),
    case(
        {"      camera: static wide shot, locked off\n": "      camera: static\n      text: all\n"},
        "film.yaml:21:7: shots.dawn.prompt: `text` is the whole prompt and stands alone; it is given with `subject`, `action`, `environment`, `camera`, `mood`",
        "    keep `text`, or the five fields",
    ),
    case(
        {"kind: spot\n": "kind: schedule\n"},
        "film.yaml:2:7: kind: this file is a schedule, and a spot is wanted here",
        "    `shotrunner run --schedule FILE --date DAY` starts it by hand",
    ),
    case({"kind: spot\n": "kind: brand\n"}, "film.yaml:2:7: kind: this file is a brand, and a spot is wanted here"),
    case(
        {"kind: spot\n": "kind: spt\n"},
        "film.yaml:2:7: kind: unknown kind `spt`; did you mean `spot`?",
        "    kinds: spot, brand, campaign, schedule",
    ),
    case({"kind: spot\n": ""}, "film.yaml:1:1: missing key `kind`"),
    case(
        {"manifest: 1\n": "manifest: 2\n"},
        "film.yaml:1:11: manifest: format version 2 is newer than this shotrunner, which reads 1",
        "    upgrade shotrunner",
    ),
    case(
        {"manifest: 1\n": "manifest: 0\n"},
        "film.yaml:1:11: manifest: format version 0 is not read; this shotrunner reads 1",
        "    write `manifest: 1`",
    ),
    case({"manifest: 1\n": "manifest: one\n"}, "film.yaml:1:11: manifest: must be a whole number, not the text `one`"),
    case({"manifest: 1\n": ""}, "film.yaml:1:1: missing key `manifest`"),
    case(
        {"name: film\n": "name: My Film\n"},
        "film.yaml:3:7: name: `My Film` must be lower-case letters, digits and dashes, at most 63, such as alder-morning-30s",
    ),
    case(
        {"name: film\n": "name: film\nvariants: {axes: {locale: [english]}}\n"},
        "film.yaml:4:28: variants.axes.locale[0]: `english` must be a full language tag, such as en-GB",
    ),
    case(
        {"      mood: soft window light from the left\n": "      mood: ${hook.mood} light\n"},
        "film.yaml:21:13: shots.dawn.prompt.mood: `${hook.mood}`: no axis `hook`",
        "    there is no `variants` block",
    ),
    case(
        {"  kettle: {kind: object": "  Kettle: {kind: object"},
        "film.yaml:11:3: references.Kettle: `Kettle` must be 3 to 16 lower-case letters, digits and `_`, starting with a letter (the vendor's rule)",
    ),
    case(
        {"  kettle: {kind: object": "  kettle: {kind: objekt"},
        "film.yaml:11:18: references.kettle.kind: `objekt` is not one of: character, object, location, style; did you mean `object`?",
    ),
    case(
        {
            "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": "    references: kettle\n    prompt:\n      subject: A matte green kettle, @kettle\n"
        },
        "film.yaml:15:17: shots.dawn.references: must be a list, not the text `kettle`",
        "    write [kettle]",
    ),
    case(
        {"between: [dawn, pour]": "between: [dawn]"},
        "film.yaml:33:17: edit.transitions[0].between: needs at least 2 items, has 1",
    ),
    case(
        {"between: [dawn, pour]": "between: [dawn, pour, x]"},
        "film.yaml:33:17: edit.transitions[0].between: takes at most 2 items, has 3",
    ),
    case(
        {"graphics:\n": "graphics:\n  disclosure: of\n"},
        "film.yaml:43:15: graphics.disclosure: `of` is not one of: auto, off; did you mean `off`?",
    ),
    case(
        {"graphics:\n": "graphics:\n  disclosure: {override: {by: Ann}}\n"},
        "film.yaml:43:16: graphics.disclosure.override: missing key `reason`",
    ),
    case(
        {"graphics:\n": "graphics:\n  disclosure: 3\n"},
        "film.yaml:43:15: graphics.disclosure: must be auto, off, or a map with `override`, not the number 3",
    ),
    case(
        {"language: en-GB": "language: english"},
        "film.yaml:37:15: sound.voiceover.language: `english` must be a language tag, such as en-GB",
    ),
    case(
        {'deliver:\n  - {profile: youtube-instream, ratio: "16:9"}\n': "deliver: []\n"},
        "film.yaml:44:10: deliver: is an empty list",
    ),
    case(
        {'deliver:\n  - {profile: youtube-instream, ratio: "16:9"}\n': "deliver: {profile: x}\n"},
        "film.yaml:44:10: deliver: must be a list, not a map",
    ),
    case(
        {'deliver:\n  - {profile: youtube-instream, ratio: "16:9"}\n': "deliver:\n"},
        "film.yaml:44:9: deliver: has no value",
        "    give it one, or remove the key",
    ),
    case(
        {"budget: {credits: 1000}": "budget: {credits: 10.5}"},
        "film.yaml:46:19: budget.credits: must be a whole number, not the number 10.5",
        "    write it without a decimal point",
    ),
    case(
        {"budget: {credits: 1000}": "budget: 1000"},
        "film.yaml:46:9: budget: must be a map of `key: value` lines, not the number 1000",
    ),
    case({"budget: {credits: 1000}": "budget: {}"}, "film.yaml:46:1: budget: missing key `credits`"),
    case(
        {"budget: {credits: 1000}": "bugdet: {credits: 1000}"},
        "film.yaml:46:1: bugdet: unknown key `bugdet`; did you mean `budget`?",
        "    allowed here: manifest, kind, name, brand, description, copy, variants, generate, references, shots, edit, sound, graphics, compliance, review, deliver, naming, budget",
    ),
    case({"budget: {credits: 1000}": ""}, "film.yaml:1:1: missing key `budget`"),
    case(
        {"text: Some mornings ask for nothing.": "text: ''"},
        "film.yaml:39:48: sound.voiceover.lines.vo1.text: is empty",
    ),
    case(
        {"text: Some mornings ask for nothing.": "text: 7"},
        "film.yaml:39:48: sound.voiceover.lines.vo1.text: must be text, not the number 7",
        '    put it in quotes: "7"',
    ),
    case(
        {"text: Some mornings ask for nothing.": "text: true"},
        "film.yaml:39:48: sound.voiceover.lines.vo1.text: must be text, not the word true",
        '    put it in quotes: "true"',
    ),
    case(
        {"text: Some mornings ask for nothing.": "text: sk_0123456789abcdef0123456789abcdef"},
        "film.yaml:39:48: sound.voiceover.lines.vo1.text: this looks like an ElevenLabs key; secrets never stand in a manifest",
        "    put it into ELEVENLABS_API_KEY and, if it was shared, have it replaced",
    ),
    case(
        {
            "budget: {credits: 1000}": 'budget: {credits: 1000}\ncompliance: {markets: [uk], people: robots, realism: photoreal, flight: {start: 2026-1-1, end: "2026-12-31"}}'
        },
        "film.yaml:47:24: compliance.markets[0]: `uk` must be a market: a country code such as GB, EU, or a country and state such as US-NY",
        "film.yaml:47:37: compliance.people: `robots` is not one of: none, synthetic, real",
        'film.yaml:47:81: compliance.flight.start: `2026-1-1` must be a date in quotes, such as "2026-12-01"',
    ),
    case(
        {"brand: brand.yaml": "brand: brnd.yaml"},
        "film.yaml:4:8: brand: no such file: brnd.yaml",
        "    did you mean brand.yaml?",
    ),
    case(
        {"brand: brand.yaml": "brand: ../brand.yaml"},
        "film.yaml:4:8: brand: `../brand.yaml` lies outside the project",
        "    the project is the folder with shotrunner.toml, or else the manifest's own: copy the file into it",
    ),
    case(
        {"brand: brand.yaml": "brand: /etc/passwd"},
        "film.yaml:4:8: brand: `/etc/passwd` is an absolute path",
        "    write it relative to the file it stands in",
    ),
    case(
        {"brand: brand.yaml": "brand: s3://bucket/brand.yaml"},
        "film.yaml:4:8: brand: `s3://` addresses are not taken yet",
        "    copy the file into the project",
    ),
    case(
        {"brand: brand.yaml": "brand: film.yaml"},
        "film.yaml:2:7: kind: this file is a spot, and a brand is wanted here",
    ),
    case(
        {"brand: brand.yaml": "brand: kettle.png"},
        "kettle.png:1:1: the file is a single value; a manifest is a map of `key: value` lines",
        "    `shotrunner init` writes one to start from",
    ),
    case({"brand: brand.yaml": "brand: '.'"}, "film.yaml:4:8: brand: `.` is not a file", "    name the file itself"),
    case({"brand: brand.yaml": "brand: [x]"}, "film.yaml:4:8: brand: must be text, not a list"),
    case({"brand: brand.yaml": ""}, "film.yaml:1:1: missing key `brand`"),
    case(
        {"file: kettle.png": "file: kettel.png"},
        "film.yaml:11:32: references.kettle.file: no such file: kettel.png",
        "    did you mean kettle.png?",
    ),
    case(
        {"file: kettle.png": "file: no/kettel.png"},
        "film.yaml:11:32: references.kettle.file: no such file: no/kettel.png",
        "    there is no folder no/ either",
    ),
    case(
        {"file: kettle.png": "file: 'a\\b.png'"},
        "film.yaml:11:32: references.kettle.file: no such file: a\\b.png",
        "    write paths with `/`",
    ),
    case(
        {"file: kettle.png": 'file: "a\\0b.png"'},
        "film.yaml:11:32: control character U+0000",
        "    remove the escape",
        "film.yaml:11:32: references.kettle.file: no such file: a�b.png",
        "    paths are relative to the file they are written in",
    ),
    case(
        {"file: kettle.png": "file: ~/kettle.png"},
        "film.yaml:11:32: references.kettle.file: `~/kettle.png` is an absolute path",
        "    write it relative to the file it stands in",
    ),
    case(
        {"file: kettle.png": "file: https://example.com/kettle.png"},
        "film.yaml:11:32: references.kettle.file: `https://` addresses are not taken yet",
        "    copy the file into the project",
    ),
]


@pytest.mark.parametrize("slip", SLIPS, ids=[f"{number}: {slip.lines[0][:60]}" for number, slip in enumerate(SLIPS)])
def test_slip_is_answered_with_its_place(slip: Case, load_film: Load, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load_film(slip.changes, brand=slip.brand)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == list(slip.lines)
    assert caught.value.exit_code == slip.exit_code
