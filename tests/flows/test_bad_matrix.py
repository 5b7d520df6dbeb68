"""Every slip in a matrix or a campaign through `validate`: the line, the words, exit 2, and nothing else told."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from command import Shotrunner

from flows.prepare import make_plan
from manifests.lock import format_lock, lock_path

MATRIX, COPY, CAMPAIGN, TABLE = "winter-15s.yaml", "copy/winter.yaml", "campaign-morning.yaml", "data/hooks.csv"
HEADER = "id,scene,action,from,to\n"
FROST = "cold,Frost,the frost slowly melts down,2026-12-01,2026-12-31\n"
HOOKS = "    hook:\n      - {id: cold"
pytestmark = pytest.mark.usefixtures("examples")


class Slip(NamedTuple):
    file: str
    changes: dict[str, str]
    told: tuple[str, ...]  # whole, without the count at the end


def matrix(changes: dict[str, str], *told: str) -> Slip:
    return Slip(MATRIX, changes, told)


def copy(changes: dict[str, str], *told: str) -> Slip:
    return Slip(COPY, changes, told)


def campaign(changes: dict[str, str], *told: str) -> Slip:
    return Slip(CAMPAIGN, changes, told)


def from_table(date: str, rows: str, *told: str) -> Slip:
    changes = {HOOKS: f'    hook: {{table: {TABLE}, date: "{date}"}}\n    other:\n      - {{id: cold'}
    return Slip(MATRIX, {**changes, TABLE: rows}, told)


SLIPS = {
    "unknown axis": matrix(
        {"{product: press-steel, hook: late}": "{product: press-steel, hok: late}"},
        "winter-15s.yaml:24:30: variants.exclude[1].hok: unknown axis `hok`; did you mean `hook`?",
        "    axes: product, hook, locale, ratio",
    ),
    "unknown value": matrix(
        {"{product: press-steel, hook: late}": "{product: press-stel, hook: late}"},
        "winter-15s.yaml:24:17: variants.exclude[1].product: `press-stel` is no value of `product`; did you mean `press-steel`?",
        "    values: kettle-green, kettle-black, pot-clay, press-steel",
    ),
    "an exclude that hits nothing": matrix(
        {"    - {product: press-steel, hook: late}\n": "    - {product: press-steel, hook: late}\n    - {product: press-steel, hook: late, locale: en-GB}\n"},
        "winter-15s.yaml:25:7: variants.exclude[2]: excludes nothing: all that it matches is excluded by exclude[1] already",
        "    remove it",
    ),
    "duplicate include": matrix(
        {"{product: kettle-black, hook: gift,": "{product: kettle-black, hook: cold,"},
        "winter-15s.yaml:27:7: variants.include[0]: kettle-black,cold,ja-JP,9:16 is there already, and no rule excludes it",
        "    remove it",
    ),
    "an include without every axis": matrix(
        {', locale: ja-JP, ratio: "9:16"}': ", locale: ja-JP}"},
        "winter-15s.yaml:27:7: variants.include[0]: does not name `ratio`: it must name every axis",
        "    what is included is one whole variant",
    ),
    "cells over the limit": matrix(
        {"limit: 120": "limit: 80"},
        "winter-15s.yaml:28:10: variants.limit: 84 variants; the limit is 80",
        "    exclude some, or write `limit: 84`",
    ),
    "two files share a name": matrix(
        {"{product}_{hook}_{locale}": "{product}_{locale}"},
        "winter-15s.yaml:110:1: naming: alder_alder-winter-15s_kettle-green_en-GB_16x9_15s_youtube-instream_v01 is the name of two files (and 65 more); what differs is hook",
        "    put {hook} into `naming`",
    ),
    "two ids that one file name would hold": matrix(
        {"{id: cold, scene": "{id: Late, scene", ", hook: cold, locale: de-DE}": ", locale: de-DE}"},
        "winter-15s.yaml:18:14: variants.axes.hook.late: `late` and `Late` would give their files the same name",
        "    ids of one axis must differ",
        "winter-15s.yaml:24:36: variants.exclude[1].hook: `late` is no value of `hook`; did you mean `Late`?",
        "    values: Late, gift",
        "winter-15s.yaml:110:1: naming: 'Late' cannot stand for {hook} in a name: lower-case letters, digits, '.' and '-' only (and 43 more)",
        "    shorten or rename {hook}, or take it out of `naming`",
    ),
    "a field of a name that there is not": matrix(
        {"{product}_{hook}_{locale}": "{product}_{hok}_{locale}"},
        "winter-15s.yaml:110:1: naming: there is no field {hok}; did you mean `hook`?",
        "    fields: brand, campaign, ratio, duration, profile, version, spot, id, ad_id, product, hook, locale; or leave `naming` out for {brand}_{campaign}_{product}_{hook}_{locale}_{ratio}_{duration}s_{profile}_v{version}",
    ),
    "copy with a missing locale": copy(
        {"  cta: アルダー。ゆっくりと。\n": ""},
        "winter-15s.yaml:94:59: graphics.end_card.fields.headline: `${copy.cta}` has no text for ja-JP in copy/winter.yaml",
        "    add `cta` under `ja-JP`, or `cta: {fallback: …}` for the text of another locale",
    ),
    "copy that is no YAML": copy(
        {"  cta: Alder. Take": '  cta: "Alder. Take'},
        "copy/winter.yaml:29:1: not YAML: found unexpected end of stream (it belongs to what starts on line 9)",
        "    a quote is not closed",
    ),
    "copy that says a key twice": copy(
        {"  super_price: £49\n": "  super_price: £49\n  super_price: £50\n"},
        "copy/winter.yaml:8:3: super_price: duplicate key `super_price`; it is first given on line 7",
        "    keep one of the two",
    ),
    "copy that is not there": matrix(
        {"copy: copy/winter.yaml": "copy: copy/wintr.yaml"},
        "winter-15s.yaml:7:7: copy: no such file: copy/wintr.yaml",
        "    did you mean winter.yaml?",
    ),
    "a row for a value that there is not": copy(
        {"  super_price@pot-clay: £39": "  super_price@pot-cly: £39"},
        "copy/winter.yaml:8:3: en-GB.super_price@pot-cly: no axis has a value `pot-cly`; did you mean `pot-clay`?",
        "    values: kettle-green, kettle-black, pot-clay, press-steel, cold, late, gift, 16:9, 9:16, 4:5",
    ),
    "a look-up of an axis that there is not": matrix(
        {"subject: ${hook.scene}": "subject: ${hok.scene}"},
        "winter-15s.yaml:48:16: shots.open.prompt.subject: `${hok.scene}`: no axis `hok`; did you mean `hook`?",
        "    axes: product, hook, locale, ratio",
    ),
    "a look-up that yields nothing": matrix(
        {"subject: ${hook.scene}": "subject: ${hook.scen}"},
        "winter-15s.yaml:48:16: shots.open.prompt.subject: `${hook.scen}`: no field `scen`; did you mean `scene`?",
        "    fields of hook: scene, action",
    ),
    "an empty field": matrix(
        {"scene: Frost on a kitchen window": 'scene: ""'},
        "winter-15s.yaml:17:27: variants.axes.hook.cold.scene: is empty",
    ),
    "a table with a duplicate date": from_table(
        "2026-12-07", HEADER + FROST + FROST.replace("12-01", "12-05"),
        "data/hooks.csv:3: variants.axes.hook: `cold` is good on 2026-12-05, and so is line 2",
        "    `from` and `to` are both included: let one end the day before the other begins",
    ),
    "a table with an uncovered date": from_table(
        "2027-02-07", HEADER + FROST,
        "data/hooks.csv:2: variants.axes.hook: no row is good on 2027-02-07: line 2 ends on 2026-12-31",
        "    add a row for that day, or lengthen one",
    ),
    "a table that is not there": matrix(
        {HOOKS: "    hook: {table: data/hoks.csv}\n    other:\n      - {id: cold"},
        "winter-15s.yaml:16:19: variants.axes.hook.table: no such file: data/hoks.csv",
        "    did you mean hooks.csv?",
    ),
    "a ratio that no deliverable uses": matrix(
        {'  - {profile: meta-feed, ratio: "4:5"}\n': "", "tiktok-infeed, meta-feed]": "tiktok-infeed]"},
        "winter-15s.yaml:9:1: variants.axes.ratio: nothing is delivered in 4:5",
        "    add it to `deliver`, or leave it out here",
    ),
    "a ratio that no variant has": matrix(
        {'ratio: ["16:9", "9:16", "4:5"]': 'ratio: ["16:9", "9:16"]'},
        "winter-15s.yaml:107:33: deliver: no variant has the ratio 4:5",
        "    ratios: 16:9, 9:16",
    ),
    "captions burned for a placement that gets nothing": matrix(
        {"tiktok-infeed, meta-feed]": "tiktok-infed]"},
        "winter-15s.yaml:95:50: graphics.captions.burn[0]: `tiktok-infed` is not delivered [kettle-green,cold,en-GB,16:9]",
        "    delivered: youtube-instream",
    ),
    "varies_by that lies": matrix(
        {"varies_by: [hook, ratio] ": "varies_by: [ratio] "},
        "winter-15s.yaml:45:16: shots.open.varies_by: `open` also varies by `hook`: prompt.subject: ${hook.scene}",
        "    remove that look-up, or write `varies_by: [hook, ratio]`",
    ),
    "varies_by that boasts": matrix(
        {"varies_by: [hook, ratio] ": "varies_by: [hook, locale, ratio] "},
        "winter-15s.yaml:45:16: shots.open.varies_by: nothing in `open` varies by `locale`",
        "    write `varies_by: [hook, ratio]`",
    ),
    "text that cannot fit": copy(
        {"  cta: Alder. Nimm dir Zeit.": "  cta: " + "Kapitänswitwenrente" * 20},
        "winter-15s.yaml:94:3: graphics.end_card: in kettle-green,cold,de-DE,9:16,",
        "    shorten the text",
    ),
    "a font without the glyph": copy(
        {"  cta: Alder. Nimm dir Zeit.": "  cta: Alder ☕ nimm dir Zeit."},
        "winter-15s.yaml:94:49: graphics.end_card.fields.headline: the font OpenSans-Semibold.ttf has no '☕'",
        "    use other characters, or a font in the brand kit that has them",
    ),
    "when of an unknown axis": matrix(
        {"  - id: use\n": "  - id: use\n    when: {hok: cold}\n"},
        "winter-15s.yaml:65:12: shots.use.when.hok: unknown axis `hok`; did you mean `hook`?",
        "    axes: product, hook, locale, ratio",
    ),
    "when of an unknown value": matrix(
        {"  - id: use\n": "  - id: use\n    when: {hook: [cold, lat]}\n"},
        "winter-15s.yaml:65:25: shots.use.when.hook: `lat` is no value of `hook`; did you mean `late`?",
        "    values: cold, late, gift",
    ),
    "when that matches no variant": matrix(
        {"  - id: use\n": '  - id: use\n    when: {hook: gift, locale: ja-JP, ratio: "4:5"}\n'},
        "winter-15s.yaml:65:11: shots.use.when: matches no variant: they are excluded",
        "    remove it, or the rule that excludes them",
    ),
    "a line on a shot that is not there": matrix(
        {"  - id: hero\n": "  - id: hero\n    when: {hook: cold}\n"},
        "winter-15s.yaml:84:24: sound.voiceover.lines.line.at: `hero` is not in this film, and no line is left out silently [kettle-green,late,en-GB,16:9]",
        "    give the line the same `when` as `hero`, or hang it on a shot that is always there",
    ),
    "a variant without a shot": matrix(
        {f"  - id: {name}\n": f"  - id: {name}\n    when: {{hook: [cold, late]}}\n" for name in ("open", "hero", "use")},
        "winter-15s.yaml:43:1: shots: no shot is left in kettle-green,gift,en-GB,16:9 (and 24 more): every one has a `when` that does not match",
        "    let one shot be in all variants, or exclude these",
    ),
    "a shot that continues one it never meets": matrix(
        {
            "  - id: hero\n": "  - id: hero\n    when: {hook: [cold, late]}\n",
            "  - id: use\n    varies_by: [product, ratio]\n": "  - id: use\n    continues: hero\n    when: {hook: gift}\n",
            "{id: line, at: hero,": "{id: line, when: {hook: [cold, late]}, at: hero,",
        },
        "winter-15s.yaml:66:16: shots.use.continues: no variant has both `hero` and `use@kettle-green,16:9`, so nobody can say on which frame it starts",
        "    give `use` the same `when` as `hero`, or let one variant have both",
    ),
    "a cut-down of frames that are not bought": campaign(
        {"{id: still, duration: 3}": "{id: still, in: 3, duration: 3}"},
        "campaign-morning.yaml:24:38: spots.bumper-6.shots.still: shows frames up to 144 of `still`; `film-30` buys 96 (4 s)",
        "    an earlier `in` or a shorter `duration`, 2 s in all; a cut-down buys nothing",
    ),
    "a cut-down of a shot that there is not": campaign(
        {"{id: still, duration: 3}": "{id: stil, duration: 3}"},
        "campaign-morning.yaml:24:14: spots.bumper-6.shots[1].id: `film-30` has no shot `stil`; did you mean `still`?",
        "    its shots: dawn, pour, lift, sip, still",
    ),
    "a cut-down of a spot below": campaign(
        {"  - id: bumper-6\n    from: film-30\n": "  - id: bumper-6\n    from: film-15\n"},
        "campaign-morning.yaml:21:11: spots.bumper-6.from: `film-15` is no spot above this one; did you mean `film-30`?",
        "    spots above: film-30, social-15",
    ),
    "a spot that is delivered nowhere": campaign(
        {"spots: [film-30, social-15]": "spots: [film-30]"},
        "campaign-morning.yaml:10:5: spots.social-15: `social-15` is not delivered anywhere",
        "    add it to `deliver`",
    ),
    "a delivery to a spot that there is not": campaign(
        {"spots: [bumper-6]": "spots: [bumper-6, bumper-7]"},
        "campaign-morning.yaml:36:53: deliver[1].spots: no spot is called `bumper-7`; did you mean `bumper-6`?",
        "    spots: film-30, social-15, bumper-6",
    ),
    "a spot file that is not there": campaign(
        {"file: morning-30s.yaml": "file: mornin-30s.yaml"},
        "campaign-morning.yaml:9:25: spots.film-30.file: no such file: mornin-30s.yaml",
        "    did you mean morning-30s.yaml?",
    ),
    "an id twice": campaign(
        {"  - id: bumper-6\n": "  - id: social-15\n", '  - {profile: youtube-bumper, ratio: "16:9", spots: [bumper-6]}\n': ""},
        "campaign-morning.yaml:20:9: spots[2].id: id `social-15` is taken",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_slip_is_told_with_its_line(shotrunner: Shotrunner, no_network: None, name: str) -> None:
    slip = SLIPS[name]
    for old, new in slip.changes.items():
        if old == TABLE:
            Path(TABLE).parent.mkdir(exist_ok=True)
            Path(TABLE).write_text(new)
            continue
        text = Path(slip.file).read_text()
        assert text.count(old) == 1, old
        Path(slip.file).write_text(text.replace(old, new))
    answer = shotrunner("validate", CAMPAIGN if slip.file == CAMPAIGN else MATRIX)
    told = [line for line in answer.err.splitlines() if not line.endswith((" error", " errors"))]
    if name == "text that cannot fit":  # the sentence goes on with the words and their measures
        told[0] = told[0][: len(slip.told[0])]
    assert told == list(slip.told)
    assert answer.code == 2


def test_a_changed_text_is_a_changed_manifest_and_a_changed_picture_stops_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """People write the copy table: nobody has to say twice that they mean it."""
    monkeypatch.setenv("SHOTRUNNER_STORE", "memory:")
    first = make_plan(Path(MATRIX))
    lock_path(Path(MATRIX)).write_text(format_lock(first.lock))
    Path(COPY).write_text(Path(COPY).read_text().replace("£49", "£45"))
    second = make_plan(Path(MATRIX))
    assert second.drift == ()
    assert second.lock.files["copy"].sha256 != first.lock.files["copy"].sha256
    assert second.plan.digest != first.plan.digest
    assert [w.id for w in second.plan.wants] == [w.id for w in first.plan.wants]
    Path("refs/pot-clay.png").write_bytes(Path("refs/press-steel.png").read_bytes())
    (told,) = make_plan(Path(MATRIX)).drift
    assert told.startswith("product: refs/pot-clay.png has changed from ")
