"""Synthesised sound effects, chosen by the words of a prompt, and the example's music bed. Same call, same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from infra.errors import MediaError
from infra.media.music import compose_bed
from infra.media.soundkit import (
    RATE,
    Stereo,
    add_at,
    faded,
    levelled,
    noise,
    panned,
    partials,
    room,
    slow,
    times,
    wide,
    write_wav,
)

Maker = Callable[[np.random.Generator, int], Stereo]


def make_effect(prompt: str, seconds: float, seed: int, out: Path) -> str:
    """Writes `out`, a 48 kHz stereo wav of exactly `seconds`, and returns the name of the sound that was chosen."""
    if not 0.05 <= seconds <= 600:
        raise MediaError(f"an effect of {seconds} s cannot be made", remedy="ask for 0.05 to 600 seconds")
    name = choose_effect(prompt)
    samples = round(seconds * RATE)
    maker = next(maker for key, _, maker in _EFFECTS if key == name)
    sound = maker(np.random.default_rng([seed, 5]), samples)
    write_wav(faded(sound, 0.004, min(0.35, seconds * 0.12)), out)
    return name


def choose_effect(prompt: str) -> str:
    """The sound whose words come first in the prompt; quiet room tone when it names none that we know."""
    words = prompt.lower()
    hits = [(match.start(), name) for name, pattern, _ in _EFFECTS if (match := re.search(pattern, words))]
    return min(hits, key=lambda hit: hit[0])[1] if hits else "room-tone"


def make_bed(seconds: float, seed: int, out: Path, bpm: float = 72.0) -> None:
    """Writes `out`, a quiet piano and pad bed of exactly `seconds`, 48 kHz stereo wav."""
    if not 1 <= seconds <= 600 or not 40 <= bpm <= 180:
        raise MediaError(
            f"a bed of {seconds} s at {bpm} bpm cannot be made", remedy="ask for 1 to 600 s, 40 to 180 bpm"
        )
    write_wav(compose_bed(round(seconds * RATE), seed, bpm), out)


def _pour(rng: np.random.Generator, n: int) -> Stereo:
    """Bubbles of rising pitch, as the air left in the cup gets shorter, over a thin splashing stream."""
    seconds = n / RATE
    sound = np.zeros((n, 2))
    at = 0.02
    while at < seconds - 0.03:
        fill = at / seconds
        hertz = float(rng.lognormal(np.log(620 + 900 * fill), 0.34))
        decay = hertz * float(rng.uniform(0.05, 0.11))
        t = times(min(int(0.09 * RATE), n))
        # a bubble's pitch climbs a little while it closes
        bubble = np.sin(2 * np.pi * hertz * t * (1 + 1.1 * t)) * np.exp(-decay * t) * np.minimum(1, t / 0.0015)
        add_at(
            sound, panned(bubble * float(rng.uniform(0.15, 1)) ** 1.5, float(rng.uniform(-0.45, 0.45))), int(at * RATE)
        )
        at += float(rng.exponential(0.009))
    splash = wide(noise(rng, n, 900, 5200, 0.8), noise(rng, n, 900, 5200, 0.8)) * slow(rng, n, 0.7, 1.0)[:, None]
    hum = noise(rng, n, 350, 1100) * np.linspace(0.5, 0.9, n)
    body = sound * 0.9 + splash * 0.16 + panned(hum, 0.0) * 0.12
    return levelled(faded(room(body, rng, seconds=0.5, amount=0.12), 0.18, 0.4), peak=-5)


def _room_tone(rng: np.random.Generator, n: int) -> Stereo:
    hum = wide(noise(rng, n, 40, 900, 1.6), noise(rng, n, 40, 900, 1.6))
    return levelled(hum * slow(rng, n, 0.88, 1.12)[:, None], rms=-34)


def _wind(rng: np.random.Generator, n: int) -> Stereo:
    gust = slow(rng, n, 0.25, 1.0)
    low = wide(noise(rng, n, 120, 700, 1.0), noise(rng, n, 120, 700, 1.0))
    high = wide(noise(rng, n, 500, 1600, 1.0), noise(rng, n, 500, 1600, 1.0))
    return levelled(low * gust[:, None] + high * (gust**2 * 0.35)[:, None], rms=-22)


def _rain(rng: np.random.Generator, n: int) -> Stereo:
    sound = wide(noise(rng, n, 900, 9000), noise(rng, n, 900, 9000)) * 0.16
    for at in rng.integers(0, n, int(n / RATE * 90)):
        t = times(int(0.012 * RATE))
        drop = np.sin(2 * np.pi * float(rng.uniform(1500, 6500)) * t) * np.exp(-420 * t)
        add_at(sound, panned(drop * float(rng.uniform(0.2, 1)), float(rng.uniform(-0.9, 0.9))), int(at))
    return levelled(sound, rms=-24)


def _surf(rng: np.random.Generator, n: int) -> Stereo:
    t = times(n)
    phase = float(rng.uniform(0, np.pi))
    swell = [np.sin(np.pi * t / 7.5 + phase + lag) ** 2 * 0.85 + 0.15 for lag in (0.0, 0.25)]
    return levelled(wide(*(noise(rng, n, 60, 3500, 1.4) * s**1.5 for s in swell)), rms=-22)


def _whoosh(rng: np.random.Generator, n: int) -> Stereo:
    """Noise through a band that sweeps up: a sum of fixed bands, each heard when the sweep passes it."""
    u = np.linspace(0, 1, n)
    centre = np.log(250) + (np.log(4200) - np.log(250)) * u
    sound = np.zeros(n)
    for hertz in np.geomspace(200, 6000, 14):
        weight = np.exp(-(((centre - np.log(hertz)) / 0.38) ** 2))
        sound += noise(rng, n, hertz * 0.82, hertz * 1.22) * weight
    bell = np.exp(-(((u - 0.55) / 0.2) ** 2)) * np.sin(np.pi * u) ** 0.5
    return levelled(panned(sound * bell, (u - 0.5) * 1.5), peak=-6)


def _impact(rng: np.random.Generator, n: int) -> Stereo:
    t = times(n)
    drop = np.sin(2 * np.pi * (38 * t + (95 / 18) * (1 - np.exp(-18 * t)))) * np.exp(-3.2 * t)
    click = noise(rng, n, 300, 5000) * np.exp(-t / 0.006) * 0.3
    return levelled(room(panned(np.tanh(1.8 * (drop + click)), 0.0), rng, seconds=1.4, amount=0.15), peak=-5)


def _riser(rng: np.random.Generator, n: int) -> Stereo:
    t, u = times(n), np.linspace(0, 1, n)
    glide = np.cumsum(110 * 2 ** (2.5 * u)) / RATE
    tone = sum(np.sin(2 * np.pi * glide * k) / k for k in (1, 2, 3))
    sound = np.asarray(tone, np.float64) * 0.5
    for hertz in np.geomspace(300, 9000, 12):
        weight = np.exp(-(((np.log(300) + np.log(30) * u - np.log(hertz)) / 0.45) ** 2))
        sound = sound + noise(rng, n, hertz * 0.8, hertz * 1.25) * weight * 0.6
    return levelled(panned(sound * u**2.4, np.sin(2 * np.pi * (0.3 + u) * t) * 0.4), peak=-8)


def _ding(rng: np.random.Generator, n: int) -> Stereo:
    base = float(rng.uniform(900, 1150))
    bell = partials(n, [(base, 1, 3), (base * 2.76, 0.5, 5), (base * 5.4, 0.25, 9), (base * 8.9, 0.1, 14)])
    return levelled(room(panned(bell, 0.05), rng, seconds=1.2, amount=0.2), peak=-9)


def _click(rng: np.random.Generator, n: int) -> Stereo:
    sound = np.zeros((n, 2))
    t = times(int(0.05 * RATE))
    for start, loud in ((0.01, 1.0), (0.055, 0.55)):
        tick = (
            noise(rng, len(t), 1200, 7000) * np.exp(-t / 0.0035) * 0.3
            + np.sin(2 * np.pi * 380 * t) * np.exp(-90 * t) * 0.5
        )
        add_at(sound, panned(tick * loud, 0.0), int(start * RATE))
    return levelled(room(sound, rng, seconds=0.3, amount=0.1), peak=-10)


def _steam(rng: np.random.Generator, n: int) -> Stereo:
    """A kettle near the boil: hiss, a low rumble, and a whistle that only just begins."""
    t, u = times(n), np.linspace(0, 1, n)
    hiss = (
        wide(noise(rng, n, 2200, 9500), noise(rng, n, 2200, 9500)) * (0.35 + 0.5 * u * slow(rng, n, 0.8, 1.1))[:, None]
    )
    rumble = noise(rng, n, 60, 320, 1.0) * slow(rng, n, 0.5, 1.0) * 0.8
    whistle = np.sin(2 * np.pi * (2350 * t + 3 * np.sin(2 * np.pi * 5.1 * t))) * np.clip((u - 0.7) / 0.3, 0, 1) ** 2
    return levelled(hiss + panned(rumble, 0.0) + panned(whistle * 0.12, 0.1), rms=-26)


def _footsteps(rng: np.random.Generator, n: int) -> Stereo:
    sound = np.zeros((n, 2))
    at, side = 0.08, 1
    t = times(int(0.16 * RATE))
    while at * RATE < n:
        thump = np.sin(2 * np.pi * float(rng.uniform(82, 105)) * t) * np.exp(-38 * t)
        sole = noise(rng, len(t), 500, 3800, 0.6) * np.exp(-t / 0.012) * 0.25
        add_at(sound, panned((thump + sole) * float(rng.uniform(0.75, 1)), 0.14 * side), int(at * RATE))
        at, side = at + float(rng.normal(0.56, 0.018)), -side
    return levelled(room(sound, rng, seconds=0.7, amount=0.18), peak=-8)


def _cup(rng: np.random.Generator, n: int) -> Stereo:
    """Porcelain on stone: a dull knock, then a small settling tap."""
    sound = np.zeros((n, 2))
    for start, loud in ((0.03, 1.0), (0.03 + float(rng.uniform(0.07, 0.1)), 0.3)):
        base = float(rng.uniform(1750, 2050))
        ring = partials(
            min(n, RATE), [(base, 0.5, 26), (base * 1.64, 0.35, 34), (base * 2.71, 0.2, 48), (410, 0.8, 70)]
        )
        t = times(len(ring))
        knock = noise(rng, len(t), 250, 3000) * np.exp(-t / 0.004) * 0.2
        add_at(sound, panned((ring + knock) * loud, 0.08), int(start * RATE))
    return levelled(room(sound, rng, seconds=0.6, amount=0.14), peak=-7)


def _birds(rng: np.random.Generator, n: int) -> Stereo:
    sound = _room_tone(rng, n) * 0.6
    at = 0.2
    while at * RATE < n:
        hertz, place = float(rng.uniform(2600, 4300)), float(rng.uniform(-0.8, 0.8))
        for k in range(int(rng.integers(2, 6))):
            t = times(int(0.085 * RATE))
            bend = float(rng.uniform(-4, 7))
            chirp = np.sin(2 * np.pi * hertz * t * (1 + bend * t)) * np.sin(np.pi * t / t[-1]) ** 2
            add_at(sound, panned(chirp * 0.05, place), int((at + k * 0.12) * RATE))
        at += float(rng.uniform(0.7, 2.2))
    return levelled(room(sound, rng, seconds=1.6, amount=0.3), peak=-16)


def _fire(rng: np.random.Generator, n: int) -> Stereo:
    sound = wide(noise(rng, n, 60, 700, 1.2), noise(rng, n, 60, 700, 1.2)) * 0.05
    for at in rng.integers(0, n, int(n / RATE * 16) + 1):
        t = times(int(0.01 * RATE))
        crack = noise(rng, len(t), 1500, 8000) * np.exp(-t / 0.0012) * float(rng.pareto(2.5) + 0.1)
        add_at(sound, panned(np.clip(crack, -2, 2) * 0.2, float(rng.uniform(-0.5, 0.5))), int(at))
    return levelled(sound, peak=-10)


def _clock(rng: np.random.Generator, n: int) -> Stereo:
    sound = np.zeros((n, 2))
    for beat in range(n * 2 // RATE + 1):
        tick = partials(int(0.06 * RATE), [(2100 if beat % 2 else 1750, 1, 120), (4900, 0.4, 220)])
        add_at(sound, panned(tick, 0.1), int((0.1 + beat * 0.5) * RATE))
    return levelled(room(sound, rng, seconds=0.5, amount=0.1), peak=-12)


def _rustle(rng: np.random.Generator, n: int) -> Stereo:
    grain = noise(rng, n, 1500, 8000, 0.5) * slow(rng, n, 0.0, 1.0) ** 2 * slow(rng, n, 0.3, 1.0)
    return levelled(panned(grain, slow(rng, n, -0.4, 0.4)), peak=-14)


_EFFECTS: tuple[tuple[str, str, Maker], ...] = (
    ("pour", r"\bpour|\bfill(?:s|ing|ed)? (?:a|the) (?:cup|glass|mug)|\btrickl|\bwater running", _pour),
    (
        "cup-down",
        r"\b(?:cup|mug|saucer|plate|glass|kettle)s? (?:is |being )?(?:set|put|placed)"
        r"|\bset(?:s|ting)? down|\bclink|\bcrockery|\bporcelain",
        _cup,
    ),
    ("steam", r"\bsteam|\bhiss|\bkettle (?:boil|whistl|sing)|\bboil", _steam),
    ("footsteps", r"\bfootstep|\bsteps on|\bwalk", _footsteps),
    ("birds", r"\bbird|\bdawn chorus|\bsparrow|\bblackbird", _birds),
    ("rain", r"\brain|\bdrizzle|\bdownpour", _rain),
    ("surf", r"\bsurf|\bsea\b|\bocean|\bwaves\b|\bbeach", _surf),
    ("wind", r"\bwind\b|\bbreeze|\bgust", _wind),
    ("whoosh", r"\bwhoosh|\bswish|\bswoosh|\btransition|\bsweep", _whoosh),
    ("riser", r"\briser|\bbuild[- ]?up|\btension", _riser),
    ("impact", r"\bimpact|\bboom|\bhit\b|\bthud|\bslam", _impact),
    ("ding", r"\bding|\bbell|\bchime|\bnotification", _ding),
    ("click", r"\bclick|\bswitch|\bsnap|\blatch", _click),
    ("fire", r"\bfire|\bcrackl|\bhearth", _fire),
    ("clock", r"\bclock|\btick", _clock),
    ("rustle", r"\brustl|\bcurtain|\bcloth|\bfabric|\bpaper", _rustle),
    ("room-tone", r"\broom tone|\bambien|\bquiet|\bkitchen|\bhum\b|\bsilence", _room_tone),
)
