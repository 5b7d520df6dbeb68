"""Everything that is wrong with a manifest is told at once, whatever kind it is of, and in one order."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.checking import check_manifest
from manifests.diagnostics import Diagnostic, ManifestError

FILM = "morning-30s.yaml"
pytestmark = pytest.mark.usefixtures("examples")


def edit(**changes: str) -> None:
    """Replaces pieces of the film's text, each there once."""
    text = Path(FILM).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    Path(FILM).write_text(text)


def problems() -> list[Diagnostic]:
    with pytest.raises(ManifestError) as refused:
        check_manifest(Path(FILM))
    return list(refused.value.diagnostics)


def test_no_kind_of_problem_hides_another() -> None:
    edit(
        **{
            "  takes: 3 ": "  take: 3 ",
            "file: refs/kitchen-wide.jpg": "file: refs/kitchen.jpg",
            "voice: alder-warm": "voice: alder-cold",
            "{profile: youtube-instream,": "{profile: tiktok,",
            'expires: "2027-12-31"': 'expires: "2026-12-31"',
        }
    )
    edit(**{"  - id: dawn\n    duration: 5": "  - id: dawn\n    duration: 45"})
    Path("refs/kettle-front.png").write_bytes(b"")
    found = problems()
    told = [(p.summary, p.address) for p in found]
    assert told == [
        ("unknown key", "generate.take"),
        ("file not found", "references.kitchen.file"),
        ("unknown voice", "sound.voiceover.voice"),
        ("unusable image", "references.kettle.file"),
        ("too long a shot", "shots.dawn.duration"),
        ("unknown profile", "deliver[0].profile"),
        ("rights end", "references.kitchen.rights"),
    ]
    assert all(p.where.line for p in found)
    assert [p.exit_code for p in found] == [2] * 6 + [8]


def summaries() -> set[tuple[str, str]]:
    return {(p.summary, p.address) for p in problems()}


def test_names_that_lead_nowhere_do_not_stop_the_checks_after_them() -> None:
    edit(
        **{
            "continues: lift ": "continues: nobody ",
            "between: [dawn, pour]": "between: [dawn, noon]",
            "references: [kitchen]\n": "references: [cellar]\n",
            "at: pour, offset: 0.6,": "at: rain, offset: 0.6,",
            "{at: pour, offset: 0.3, duration: 5,": "{at: rain, offset: 0.3, duration: 55,",
            "end_card: {card: plain,": "end_card: {card: fancy,",
            "Boils in three minutes.*": "Boils in three minutes.☕",
        }
    )
    found = summaries()
    assert {
        ("unknown shot", "shots.sip.continues"),
        ("unknown shot", "edit.transitions[0].between[1]"),
        ("unknown reference", "shots.dawn.references[0]"),
        ("unknown shot", "sound.voiceover.lines.vo2.at"),
        ("unknown shot", "sound.effects[0].at"),
        ("unknown card", "graphics.end_card.card"),
        ("length not sold", "sound.effects[0].duration"),
        ("missing character", "graphics.supers[0].text"),
    } <= found


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, ("file not found", "fonts.latin")),
        (b"", ("empty file", "brand.fonts.latin")),
        (b"no font", ("unusable font", "brand.fonts.latin")),
    ],
    ids=["missing", "empty", "damaged"],
)
def test_a_font_that_is_none_is_told_once_and_beside_the_rest(data: bytes | None, said: tuple[str, str]) -> None:
    """Nor are its characters looked up in another font, that would not draw them."""
    font = Path("brand/fonts/OpenSans-Semibold.ttf")
    font.unlink()
    if data is not None:
        font.write_bytes(data)
    edit(**{"Boils in three minutes.*": "Boils in three minutes.☕", "profile: youtube-instream": "profile: tiktok"})
    assert summaries() == {said, ("unknown profile", "deliver[0].profile")}
    assert len(problems()) == 2


def test_what_two_checks_find_is_told_once() -> None:
    edit(**{"references: [kettle, kitchen]": "references: [kettle, kitchen, woman, cellar]"})
    told = [(p.summary, p.address) for p in problems()]
    assert told.count(("too many references", "shots.pour.references")) == 1


def test_warnings_stay_when_nothing_is_wrong() -> None:
    edit(**{"kettle-front.png\n    rights: {basis: owned, holder: Alder Home Ltd}\n": "kettle-front.png\n"})
    warnings = [(w.summary, w.address) for w in check_manifest(Path(FILM)).warnings]
    assert ("rights missing", "references.kettle") in warnings
