"""The commented manifests that `shotrunner init` writes: they check out as they are, but for the images you bring."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["product", "film"]
KINDS: Final[tuple[Kind, ...]] = ("product", "film")

Starter = Literal["product", "film", "schedule"]

# What `init` writes beside the manifest, by path.
BRAND_PATH: Final = "brand/brand.yaml"

_BRAND = """\
# Brand kit: what every spot of the brand shares. Paths are relative to this file.
manifest: 1
kind: brand
name: my-brand
display_name: My Brand

colours: {ink: "#16221C", paper: "#F4EFE6", accent: "#2E6B4F"}   # always quoted: '#' starts a comment

# logo: {light: logo-light.png, dark: logo-dark.png}
# fonts: {latin: fonts/MyFont-SemiBold.ttf}

voices:
  narrator:
    provider: elevenlabs
    voice_id: "EXAMPLE-VOICE-ID"  # `shotrunner models` lists what is there; without a key the backlot speaks
    rights: {basis: licensed, holder: Name of the voice}

# Goes into every prompt: changing a comma here buys every picture again.
look: natural window light, muted palette, shallow depth of field
"""

_PRODUCT = """\
# One product shot that starts from your photograph.
# Check it:  shotrunner validate {file}      Price it:  shotrunner plan {file}
manifest: 1                       # format version
kind: spot
name: my-product-5s
brand: brand/brand.yaml

generate:
  model: gen4.5
  takes: 3                        # one is chosen; three to five are usual
  seed: 1

references:
  product:                        # its name in this file
    kind: object                  # character | object | location | style
    file: refs/product.jpg        # your photograph, 16:9 or near
    rights: {basis: owned, holder: My Company}

shots:
  - id: hero
    duration: 5                   # seconds on screen
    start_image: product          # the photograph is the first frame
    prompt:                       # five fields, each a sentence
      subject: A plain white stoneware cup with a round handle
      action: stands still while a thin ribbon of steam rises slowly from the cup
      environment: on a pale stone worktop beside a window, plain wall behind
      camera: slow dolly in from medium shot to close shot, the cup stays centred
      mood: early morning side light from the left, soft long shadows, cool grey-green palette
    avoid: [people, lettering]
    motion: low                   # low | medium | high

compliance:
  markets: [GB]
  people: none                    # none | synthetic | real
  realism: photoreal              # photoreal | stylised
  flight: {start: "2027-01-01", end: "2027-03-31"}   # dates are quoted

deliver:
  - {profile: youtube-instream, ratio: "16:9"}       # ratios are quoted

budget: {credits: 300}            # hard stop, in credits of $0.01
"""

_FILM = """\
# A short film: two shots, a voice, a line of text, captions.
# Check it:  shotrunner validate {file}      Price it:  shotrunner plan {file}
manifest: 1                       # format version
kind: spot
name: my-film-10s
brand: brand/brand.yaml

generate:
  model: gen4.5
  takes: 3                        # of every shot; one is chosen
  seed: 1
  keyframe: {model: gen4_image, options: 2}   # stills first: this is where references act

references:
  product:                        # written @product inside prompts
    kind: object                  # character | object | location | style
    file: refs/product.png
    rights: {basis: owned, holder: My Company}
  room:
    kind: location
    file: refs/room.jpg
    rights: {basis: owned, holder: My Company}

shots:                            # in the order of the film
  - id: room
    duration: 5                   # seconds on screen
    references: [room]
    prompt:                       # five fields, each a sentence
      subject: A small kitchen with a single window, @room
      action: daylight slowly brightens from left to right across the worktop
      environment: bare wooden shelves on a plain plaster wall
      camera: static wide shot, locked off at worktop height
      mood: warm low light from the window on the left, light haze
    motion: low
  - id: product
    duration: 5
    references: [product, room]
    prompt:
      subject: A plain white cup, @product
      action: stands still while steam rises slowly from the cup and drifts to the right
      environment: on the worktop of @room, shelves out of focus behind
      camera: slow dolly in from medium shot to close shot, the cup stays centred
      mood: warm side light from the left, soft highlights, long shadows

edit:
  transitions:
    - {between: [room, product], kind: dissolve, duration: 0.4}

sound:
  voiceover:
    voice: narrator               # from the brand kit
    language: en-GB
    lines:                        # `at` a shot, `offset` seconds later
      - {id: vo1, at: room, offset: 1.0, text: Some mornings ask for nothing.}
      - {id: vo2, at: product, offset: 0.5, text: "Just water, and a little patience."}
  effects:
    - {at: product, offset: 0.5, duration: 4, prompt: "hot tea steaming quietly, close microphone", gain: -12}

graphics:                         # words never come from the model
  supers:
    - {at: product, offset: 1.0, duration: 3, text: Warm for three hours., place: right}
  captions: {from: voiceover, sidecar: [srt, vtt]}

compliance:
  markets: [GB]
  people: none                    # none | synthetic | real
  realism: photoreal              # photoreal | stylised
  flight: {start: "2027-01-01", end: "2027-03-31"}   # dates are quoted

deliver:
  - {profile: youtube-instream, ratio: "16:9"}       # ratios are quoted

budget: {credits: 600, per_shot: 300}                # hard stop, in credits of $0.01
"""


SCHEDULE_PATH: Final = "schedule.yaml"
OFFERS_PATH: Final = "data/offers.csv"
OFFERS: Final = "offer,from,to\nNew in our shops,,2026-12-20\nTime for tea,2026-12-21,\n"
_SCHEDULE = """\
# A manifest that runs by the calendar: the same film each week, with what the week changes.
# Look ahead:  shotrunner schedule preview {file}
manifest: 1
kind: schedule
name: my-weekly
run: {run}

when:
  cron: "0 6 * * 1"               # Mondays 06:00: minute, hour, day of the month, month, day of the week
  timezone: Europe/London         # as clocks there show it, summer and winter
  skip_dates: []                  # such as ["2026-12-28"]
overlap: skip                     # if last week's run still works: skip, queue or cancel
catch_up: none                    # after downtime: none, or the last start that was missed
start_deadline: 6h                # later than this counts as missed

params:                           # settled once for each start; ${{params.offer}} may stand in the manifest, too
  offer: {{table: data/offers.csv, date: "${{run.date}}", column: offer}}   # the row whose from and to cover the date

override:                         # patch on the manifest: maps merge, lists replace, null deletes
  graphics:
    supers:
      - {{at: start, offset: 0.5, duration: 2, text: "${{params.offer}}", place: safe}}

budget:                           # in place of the manifest's own limit
  per_run: {{credits: 1000}}
  per_month: {{credits: 3000}}
  warn_at: 0.8
  when_exceeded: hold             # hold | deliver-what-fits | fail

# approvals:                      # who is asked; nobody's silence passes a finished film
#   takes: {{by: [art], deadline: "Tue 12:00", on_deadline: hold}}
#   cut: {{by: [brand], deadline: "Wed 17:00"}}
"""


def starter_schedule(run: str) -> str:
    """`run`: the manifest beside it that it starts."""
    return _SCHEDULE.format(file=SCHEDULE_PATH, run=run)


def starter_text(kind: Kind, *, file_name: str = "spot.yaml") -> str:
    """The manifest. It names `brand/brand.yaml` (see `starter_brand`) and the images of `starter_images`."""
    text = {"product": _PRODUCT, "film": _FILM}[kind]
    return text.replace("{file}", file_name)


def starter_brand() -> str:
    """The brand kit that both starters name, for BRAND_PATH."""
    return _BRAND


def starter_images(kind: Kind) -> tuple[str, ...]:
    """Image files that the user supplies, relative to the manifest."""
    return {"product": ("refs/product.jpg",), "film": ("refs/product.png", "refs/room.jpg")}[kind]
