"""A small film and its brand kit on disk, for tests that need lines: change a piece of its text, load it, judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.loaded import LoadedSpot
from tests.films import load_spot

BRAND = """\
manifest: 1
kind: brand
name: alder
display_name: Alder
colours: {ink: "#16221C", paper: "#F4EFE6", accent: "#2E6B4F"}
voices:
  warm: {provider: elevenlabs, voice_id: EXAMPLE, rights: {basis: synthetic}}
look: muted cool palette, 35mm film grain
end_cards:
  plain: {template: card.svg, fields: [headline]}
"""

FILM = """\
manifest: 1
kind: spot
name: film
brand: brand.yaml
generate:
  model: gen4.5
  takes: 3
  ratio: "16:9"
  keyframe: {model: gen4_image, options: 2}
references:
  kettle: {kind: object, file: kettle.png, rights: {basis: owned}}
shots:
  - id: dawn
    duration: 5
    references: [kettle]
    prompt:
      subject: A matte green kettle, @kettle
      action: stands still while steam rises slowly to the right
      environment: on a pale stone worktop
      camera: static wide shot, locked off
      mood: soft window light from the left
  - id: pour
    duration: 6
    references: [kettle]
    prompt:
      subject: A matte green kettle, @kettle, tilted over a white cup
      action: hot water pours in one steady stream into the cup
      environment: on the worktop of the kitchen
      camera: slow push in at cup height, stream stays in the left third
      mood: warm side light, visible steam
edit:
  transitions:
    - {between: [dawn, pour], duration: 0.4}
sound:
  voiceover:
    voice: warm
    language: en-GB
    lines:
      - {id: vo1, at: dawn, offset: 1.2, text: Some mornings ask for nothing.}
  effects:
    - {at: pour, offset: 0.3, duration: 5, prompt: water poured into a cup}
graphics:
  end_card: {card: plain, duration: 4, fields: {headline: The kettle}}
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 1000}
"""


@pytest.fixture
def load_film(tmp_path: Path) -> Callable[..., LoadedSpot]:
    """`load_film({old: new, …}, brand={old: new})`: the film with pieces of its text replaced, each there once."""

    def changed(text: str, changes: dict[str, str]) -> str:
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the film"
            text = text.replace(old, new)
        return text

    def load(changes: dict[str, str] | None = None, *, brand: dict[str, str] | None = None) -> LoadedSpot:
        (tmp_path / "film.yaml").write_text(changed(FILM, changes or {}))
        (tmp_path / "brand.yaml").write_text(changed(BRAND, brand or {}))
        for name in ("kettle.png", "card.svg"):
            (tmp_path / name).write_bytes(b"not looked into")
        return load_spot(tmp_path / "film.yaml")

    return load
