"""Variants and campaigns as they are read: addresses, sharing, what comes and goes, patches, cut-downs, files."""

# ruff: noqa: E501  pieces of YAML stay on one line, as they are replaced

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from films import BRAND, FILM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from takes import bytes_of

from manifests.campaign import load_campaign, read_campaign
from manifests.cutdowns import check_cutdowns
from manifests.diagnostics import ManifestError
from manifests.expand import Services, Want, expand_campaign
from manifests.filing import axis_values, check_names, naming_text
from manifests.films import Variant, variants_of, yaml_path
from manifests.loaded import LoadedCampaign
from manifests.ratecard import load_models, load_profiles

MODELS, PROFILES = load_models(), load_profiles()
AXES = """\
copy: copy.yaml
variants:
  axes:
    product: [{id: green, name: green kettle}, {id: black, name: black kettle}]
    hook: [cold, late]
    locale: [en-GB, de-DE]
    ratio: ["16:9", "9:16"]
"""
MATRIX = {
    "name: film\n": "name: film\n" + AXES,
    'generate:\n  model: gen4.5\n  takes: 3\n  ratio: "16:9"\n': "generate:\n  model: gen4.5\n  takes: 3\n",
    "      subject: A matte green kettle, @kettle\n": "      subject: A matte ${product.name}, @kettle\n",
    "text: Some mornings ask for nothing.": 'text: "${copy.line}"',
    "    language: en-GB\n": "    language: ${locale}\n",
    '  - {profile: youtube-instream, ratio: "16:9"}\n': '  - {profile: youtube-instream, ratio: "16:9"}\n  - {profile: meta-reels, ratio: "9:16"}\n',
}
COPY = "en-GB: {line: Some mornings ask for nothing.}\nde-DE: {line: Manche Morgen wollen nichts.}\n"
CAMPAIGN = """\
manifest: 1
kind: campaign
name: both
brand: brand.yaml
spots:
  - {id: long, file: film.yaml}
  - id: short
    from: long
    shots:
      - {id: pour, in: 1, duration: 3}
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 900}
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write({old: new}, …)` writes the film with these pieces replaced; `campaign=` also a campaign over it."""

    def changed(text: str, *changes: Mapping[str, str]) -> str:
        for old, new in itertools.chain.from_iterable(change.items() for change in changes):
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the text"
            text = text.replace(old, new)
        return text

    def call(*changes: Mapping[str, str], campaign: Mapping[str, str] | None = None) -> Path:
        for name, text in (("film.yaml", changed(FILM, *changes)), ("brand.yaml", BRAND), ("copy.yaml", COPY)):
            (tmp_path / name).write_text(text)
        for name in ("kettle.png", "card.svg"):
            (tmp_path / name).write_bytes(b"not looked into")
        if campaign is None:
            return tmp_path / "film.yaml"
        (tmp_path / "both.yaml").write_text(changed(CAMPAIGN, campaign))
        return tmp_path / "both.yaml"

    return call


def variants(campaign: LoadedCampaign) -> list[Variant]:
    return list(variants_of([source.source for source in campaign.sources]))


def wants(campaign: LoadedCampaign) -> dict[str, Want]:
    pins = {name: bytes_of(name) for name in campaign.files}
    return {want.id: want for want in expand_campaign(campaign, MODELS, pins, Services("runway", "elevenlabs"))}


def takes(campaign: LoadedCampaign) -> set[str]:
    return {want.address for want in wants(campaign).values() if want.what == "take"}


# --- addresses and sharing ---


def test_what_a_shot_depends_on_is_its_address(write: Write) -> None:
    campaign = load_campaign(write(MATRIX))
    assert len(variants(campaign)) == 16
    assert takes(campaign) == {
        "dawn@green,16:9",
        "dawn@green,9:16",
        "dawn@black,16:9",
        "dawn@black,9:16",
        "pour@16:9",
        "pour@9:16",
    }
    assert {i for i in wants(campaign) if i.endswith(("line", "effect"))} == {
        "vo1@en-GB/line",
        "vo1@de-DE/line",
        "pour-1/effect",
    }
    first = variants(campaign)[0]
    assert (first.name, first.shot("dawn"), first.line("vo1")) == (
        "green,cold,en-GB,16:9",
        "dawn@green,16:9",
        "vo1@en-GB",
    )


def test_the_copy_table_is_a_file_of_the_manifest(write: Write, tmp_path: Path) -> None:
    campaign = load_campaign(write(MATRIX))
    use = campaign.files["copy"]
    assert (use.path, use.role, use.name) == (tmp_path / "copy.yaml", "copy", "copy")
    assert use.where.line == 4


def test_tables_of_axes_are_files_of_the_manifest(write: Write, tmp_path: Path) -> None:
    (tmp_path / "hooks.csv").write_text("id\n" + "".join(f"hook-{n}\n" for n in range(30)))
    campaign = load_campaign(write(MATRIX, {"hook: [cold, late]": "hook: {table: hooks.csv, limit: 25}"}))
    assert campaign.files["variants.axes.hook.table"].path == tmp_path / "hooks.csv"
    assert len(variants(campaign)) == 2 * 25 * 2 * 2


def test_a_broken_copy_table_is_told_beside_the_rest(write: Write, tmp_path: Path) -> None:
    path = write(MATRIX, {"    hook: [cold, late]": "    hook: [cold, late, late]"})
    (tmp_path / "copy.yaml").write_text("en-GB: {line: [\n")
    _, problems = read_campaign(path)
    assert [(p.summary, Path(p.where.file).name) for p in problems] == [
        ("axis", "film.yaml"),
        ("not YAML", "copy.yaml"),
    ]


def test_captions_are_burned_where_a_variant_is_delivered(write: Write) -> None:
    burn = {"graphics:\n": "graphics:\n  captions: {from: voiceover, burn: [meta-reels]}\n"}
    by_ratio = {v.values["ratio"]: v.spot.graphics.captions for v in variants(load_campaign(write(MATRIX, burn)))}
    assert {ratio: found and found.burn for ratio, found in by_ratio.items()} == {"16:9": (), "9:16": ("meta-reels",)}


# --- what comes and goes ---

POUR_IF_COLD = {"  - id: pour\n": "  - id: pour\n    when: {hook: cold}\n"}
NO_EDIT = {"edit:\n  transitions:\n    - {between: [dawn, pour], duration: 0.4}\n": ""}


def test_a_shot_that_comes_and_goes_takes_along_what_hangs_on_it(write: Write) -> None:
    campaign = load_campaign(write(MATRIX, POUR_IF_COLD))
    for variant in variants(campaign):
        there = variant.values["hook"] == "cold"
        assert [shot.id for shot in variant.spot.shots] == (["dawn", "pour"] if there else ["dawn"])
        assert len(variant.spot.sound.effects) == len(variant.spot.edit.transitions) == int(there)
    assert takes(campaign) == takes(load_campaign(write(MATRIX)))
    assert campaign.notices == (
        "sound.effects.pour-1: left out of 8 of 16 variants, which have no `pour`",
        "edit.transitions[0]: left out of 8 of 16 variants, where `dawn` and `pour` do not meet",
    )


def test_a_line_with_the_same_when_goes_too(write: Write) -> None:
    late = {"  - id: dawn\n": "  - id: dawn\n    when: {hook: [late]}\n"}
    with pytest.raises(ManifestError, match="no line is left out silently"):
        load_campaign(write(MATRIX, late))
    captions = {"graphics:\n": "graphics:\n  captions: {from: voiceover, sidecar: [srt]}\n"}
    campaign = load_campaign(write(MATRIX, late, captions, {"{id: vo1, at": "{id: vo1, when: {hook: late}, at"}))
    for variant in variants(campaign):
        spot, there = variant.spot, variant.values["hook"] == "late"
        assert (spot.sound.voiceover is not None, spot.graphics.captions is not None) == (there, there)


def test_a_reference_of_a_shot_that_is_not_there_is_none_of_the_film(write: Write) -> None:
    alone = {
        "  - id: pour\n": "  - id: pour\n    when: {hook: cold}\n",
        "    references: [kettle]\n    prompt:\n      subject: A matte ${product.name}, @kettle\n": "    prompt:\n      subject: A matte ${product.name}\n",
    }
    campaign = load_campaign(write(MATRIX, alone))
    assert {v.values["hook"]: set(v.spot.references) for v in variants(campaign)} == {"cold": {"kettle"}, "late": set()}
    assert "references.kettle.file" in campaign.files


def test_a_shot_that_continues_an_absent_one_still_buys_it(write: Write) -> None:
    on = {
        "  - id: dawn\n": "  - id: dawn\n    when: {hook: cold}\n",
        "  - id: pour\n": "  - id: pour\n    continues: dawn\n",
    }
    campaign = load_campaign(write(MATRIX, NO_EDIT, on, {"{id: vo1, at: dawn,": "{id: vo1, at: pour,"}))
    assert takes(campaign) == {
        f"{s}@{p},{r}" for s in ("dawn", "pour") for p in ("green", "black") for r in ("16:9", "9:16")
    }
    take = wants(campaign)["pour@black,9:16/take"]
    assert take.body["promptImage"] == {"from": "dawn@black,9:16/take", "what": "out-frame", "frame": 119}


values = {
    "product": ("green", "black"),
    "hook": ("cold", "late"),
    "locale": ("en-GB", "de-DE"),
    "ratio": ("16:9", "9:16"),
}
whens = st.dictionaries(st.sampled_from(list(values)), st.integers(0, 1), max_size=2).map(
    lambda found: {axis: values[axis][index] for axis, index in found.items()}
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(whens, whens, st.lists(whens.filter(bool), max_size=2, unique_by=str))
def test_whatever_comes_and_goes_all_that_any_film_shows_is_bought(
    write: Write, dawn: dict[str, str], pour: dict[str, str], excluded: list[dict[str, str]]
) -> None:
    def flow(when: dict[str, str]) -> str:
        return "{" + ", ".join(f'{axis}: "{value}"' for axis, value in when.items()) + "}"

    changes = {
        f"  - id: {name}\n": f"  - id: {name}\n    when: {flow(when)}\n"
        for name, when in (("dawn", dawn), ("pour", pour))
    }
    rules = "".join(f"    - {flow(rule)}\n" for rule in excluded)
    block = {
        '    ratio: ["16:9", "9:16"]\n': '    ratio: ["16:9", "9:16"]\n' + (f"  exclude:\n{rules}" if rules else "")
    }
    here = {"{id: vo1, at: dawn, offset: 1.2,": "{id: vo1, at: start, offset: 1.2,"}
    path = write(MATRIX, changes, here, block)
    campaign, problems = read_campaign(path)
    if problems:
        assert {p.summary for p in problems} <= {"no shots", "when", "exclude", "ratio", "unused reference"}
        return
    assert campaign is not None
    there = wants(campaign)
    for variant in variants(campaign):
        assert {f"{variant.shot(shot.id)}/take" for shot in variant.spot.shots} <= set(there)
        assert {f"{variant.effect(e.id or '')}/effect" for e in variant.spot.sound.effects} <= set(there)


# --- campaigns ---


def test_a_cut_down_shows_takes_of_the_other_spot_and_buys_none(write: Write) -> None:
    campaign = load_campaign(write(campaign={}))
    assert takes(campaign) == {"long/dawn", "long/pour"}
    long, short = variants(campaign)
    assert (long.name, short.name, short.shot("pour")) == ("long", "short", "long/pour")
    assert [(shot.id, str(shot.in_), str(shot.duration)) for shot in short.spot.shots] == [("pour", "1", "3")]
    assert short.spot.edit.transitions == ()
    assert list(check_cutdowns(campaign, MODELS)) == []
    assert campaign.notices == (
        "long: the campaign's budget, deliver stand for its own",
        "short: left out with their shots: vo1",
    )


def test_a_cut_down_may_show_every_frame_that_is_bought_and_none_more(write: Write) -> None:
    """7 s are bought of `pour` for 6 s on screen and its half of the dissolve."""
    path = write(campaign={"in: 1, duration: 3": "in: 4, duration: 3"})
    assert list(check_cutdowns(load_campaign(path), MODELS)) == []
    path = write(campaign={"in: 1, duration: 3": "in: 4.05, duration: 3"})
    (found,) = check_cutdowns(load_campaign(path), MODELS)
    assert (found.summary, found.address, found.where.line) == ("not bought", "spots.short.shots.pour", 10)


def test_words_of_a_longer_film_end_with_a_shorter_one_and_its_own_are_refused(write: Write) -> None:
    card = {
        "  end_card: {card: plain, duration: 4, fields: {headline: The kettle}}\n": "  supers:\n    - {at: pour, offset: 1, duration: 4, text: Tea}\n"
    }
    _, short = variants(load_campaign(write(card, campaign={})))
    assert [str(item.duration) for item in short.spot.graphics.supers] == ["2"]
    own = {
        "{id: pour, in: 1, duration: 3}\n": "{id: pour, in: 1, duration: 3}\n    graphics: {supers: [{at: pour, duration: 4, text: Tea}]}\n"
    }
    with pytest.raises(ManifestError, match="lasts until 4 s; the film is 3 s long"):
        load_campaign(write(card, campaign=own))


def test_blocks_are_merged_replaced_and_switched_off(write: Write) -> None:
    campaign = load_campaign(
        write(
            campaign={
                "budget: {credits: 900}": "generate: {takes: 5}\nbudget: {credits: 900}",
                "{id: long, file: film.yaml}": "{id: long, file: film.yaml, sound: {effects: none}, graphics: {end_card: {duration: 2}}}",
                "{id: pour, in: 1, duration: 3}\n": "{id: pour, in: 1, duration: 3}\n    sound: {voiceover: none}\n    graphics: {end_card: none}\n",
            }
        )
    )
    long, short = (variant.spot for variant in variants(campaign))
    assert (long.name, long.budget.credits, long.generate.takes, long.generate.model) == ("both", 900, 5, "gen4.5")
    assert (long.sound.effects, len(long.sound.voiceover.lines if long.sound.voiceover else ())) == ((), 1)
    assert long.graphics.end_card is not None
    assert (long.graphics.end_card.card, str(long.graphics.end_card.duration)) == ("plain", "2")
    assert (short.sound.voiceover, short.graphics.end_card) == (None, None)


def test_what_needs_a_voice_goes_with_it(write: Write) -> None:
    words = {"graphics:\n": "graphics:\n  captions: {from: voiceover, sidecar: [srt]}\n"}
    quiet = {"{id: long, file: film.yaml}": "{id: long, file: film.yaml, sound: {voiceover: none}}"}
    campaign = load_campaign(write(words, campaign=quiet))
    assert [variant.spot.graphics.captions for variant in variants(campaign)] == [None, None]
    assert "long: left out without a voice: graphics.captions" in campaign.notices
    own = {
        "{id: long, file: film.yaml}": "{id: long, file: film.yaml, sound: {voiceover: none}, graphics: {captions: {from: voiceover}}}"
    }
    with pytest.raises(ManifestError, match="there is no voiceover to caption"):
        load_campaign(write(campaign=own))


def test_a_path_is_relative_to_the_file_it_is_written_in(write: Write, tmp_path: Path) -> None:
    music = "music: {file: bed.flac, rights: {basis: owned}}"
    path = write(
        {"sound:\n": f"sound:\n  {music}\n"},
        campaign={
            "{id: long, file: film.yaml}": f"{{id: long, file: spots/film.yaml}}\n  - {{id: other, file: spots/film.yaml, sound: {{{music}}}}}"
        },
    )
    (tmp_path / "shotrunner.toml").touch()
    (tmp_path / "bed.flac").touch()
    (tmp_path / "spots").mkdir()
    for name in ("film.yaml", "kettle.png", "card.svg", "brand.yaml"):
        (tmp_path / name).replace(tmp_path / "spots" / name)
    for name in ("brand.yaml", "card.svg"):
        (tmp_path / name).write_bytes((tmp_path / "spots" / name).read_bytes())
    (tmp_path / "spots/bed.flac").touch()
    files = load_campaign(path).files
    assert files["long/sound.music.file"].path == tmp_path / "spots/bed.flac"
    assert files["other/sound.music.file"].path == tmp_path / "bed.flac"
    assert files["other/references.kettle.file"].path == tmp_path / "spots/kettle.png"
    assert (files["spots.long.file"].path, files["spots.long.file"].role) == (tmp_path / "spots/film.yaml", "spot")


def test_files_of_spots_are_pinned_apart_and_told_by_their_path(write: Write) -> None:
    campaign = load_campaign(
        write(MATRIX, campaign={'ratio: "16:9"}': 'ratio: "16:9"}\n  - {profile: meta-reels, ratio: "9:16"}'})
    )
    assert {"long/copy", "long/references.kettle.file", "short/references.kettle.file"} <= set(campaign.files)
    assert {yaml_path(name) for name in ("copy", "long/copy", "a/references.kettle.file@green,9:16")} == {
        "copy",
        "references.kettle.file",
    }
    shown = {variant.shot("pour") for variant in variants(campaign) if variant.source.id == "short"}
    assert shown == {"long/pour@16:9", "long/pour@9:16"}
    assert shown < takes(campaign)


# --- names of files ---


def test_names_tell_spots_and_values_apart_where_nothing_is_said(write: Write) -> None:
    campaign = load_campaign(
        write(MATRIX, campaign={'ratio: "16:9"}': 'ratio: "16:9"}\n  - {profile: meta-reels, ratio: "9:16"}'})
    )
    sources = [source.source for source in campaign.sources]
    assert naming_text(None, sources) == (
        "{brand}_{campaign}_{spot}_{product}_{hook}_{locale}_{ratio}_{duration}s_{profile}_v{version}"
    )
    assert axis_values(sources)["hook"] == ("cold", "late")
    assert check_names(campaign, PROFILES) == []
    assert naming_text(None, [source.source for source in load_campaign(write()).sources]) == (
        "{brand}_{campaign}_{ratio}_{duration}s_{profile}_v{version}"
    )


def test_two_spots_may_not_share_a_name(write: Write) -> None:
    named = {"budget: {credits: 900}": 'naming: "{campaign}_{profile}_v{version}"\nbudget: {credits: 900}'}
    (found,) = check_names(load_campaign(write(campaign=named)), PROFILES)
    assert "both_youtube-instream_v01 is the name of two files" in found.detail
    assert (found.address, found.where.line, found.severity) == ("naming", 13, "error")


def test_broadcasters_names_are_ad_ids(write: Write) -> None:
    deliver = {
        '{profile: youtube-instream, ratio: "16:9"}': '{profile: broadcast-us, ratio: "16:9", ad_id: ABCD1234000H}'
    }
    assert check_names(load_campaign(write(deliver)), PROFILES) == []
    without = {'{profile: youtube-instream, ratio: "16:9"}': '{profile: broadcast-us, ratio: "16:9"}'}
    (found,) = check_names(load_campaign(write(without)), PROFILES)
    assert (found.summary, found.severity, found.where.line) == ("no Ad-ID", "warning", 45)
    both = 'ad_id: ABCD1234000H}\n  - {profile: broadcast-us, ratio: "16:9", version: 2, ad_id: ABCD1234000H}'
    twice = {key: value.replace("ad_id: ABCD1234000H}", both) for key, value in deliver.items()}
    named = check_names(read_campaign(write(twice))[0] or pytest.fail("not read"), PROFILES)
    assert "ABCD1234000H is the name of two files" in named[0].detail
