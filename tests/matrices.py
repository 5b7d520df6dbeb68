"""A small matrix on paper: two hooks, two locales, two ratios; eight variants from six clips, ten files."""

from __future__ import annotations

from pathlib import Path

from paper import BRAND, Paper

MATRIX = """\
manifest: 1
kind: spot
name: paper
brand: brand.yaml
copy: copy.yaml
variants:
  axes:
    hook:
      - {id: cold, scene: frost melting on a kitchen window}
      - {id: gift, scene: hands tying a plain ribbon on a small box}
    locale: [en-GB, de-DE]
    ratio: ["16:9", "9:16"]
generate: {model: gen4.5, takes: 2}
shots:
  - id: open
    varies_by: [hook, ratio]
    duration: 2
    prompt:
      subject: ${hook.scene}
      action: the light moves slowly across it
      environment: a quiet winter home at dusk
      camera: static medium shot, locked off
      mood: blue evening light from outside
  - id: hero
    duration: 3
    prompt:
      subject: A matte green kettle
      action: steam rises slowly and drifts to the right
      environment: on a dark wooden table
      camera: slow push in at cup height
      mood: single warm side light
graphics:
  supers:
    - {at: hero, offset: 1, duration: 1, text: "${copy.price}", place: safe}
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
  - {profile: meta-reels, ratio: "9:16"}
  - {profile: tiktok-infeed, ratio: "9:16"}
budget: {credits: 4000}
"""
COPY = """\
en-GB:
  price: £49
de-DE:
  price: 59 €
"""


def write_matrix(folder: Path, manifest: str = MATRIX) -> Paper:
    for name, text in (("film.yaml", manifest), ("brand.yaml", BRAND), ("copy.yaml", COPY), ("shotrunner.toml", "")):
        (folder / name).write_text(text)
    return Paper(folder)
