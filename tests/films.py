"""A small film and its brand kit as text, and one spot out of a manifest, for tests that judge a single film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from manifests.campaign import load_campaign
from manifests.loaded import LoadedSpot

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


def load_spot(path: Path, overrides: Sequence[str] = ()) -> LoadedSpot:
    """The first film of a manifest; raises ManifestError with everything that is wrong in all of it."""
    return load_campaign(path, overrides).lead
