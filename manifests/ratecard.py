"""The tables of `models/` and `profiles/`, read once, and what one generation costs by them, in credits of $0.01.

Estimates only: what a vendor charges is what its answer says. A price that no row holds raises.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from manifests.catalogue import EndpointCard, ModelCard, Profile
from manifests.digest import digest_json
from manifests.load import load_data

MODELS = Path(__file__).parent / "models"
PROFILES = Path(__file__).parent / "profiles"
CREDITS_PER_DOLLAR = 100
STALE_DAYS = 180
KEPT = Fraction(9, 10)  # of a picture that is cropped to its ratio: less is another picture
LINES = 1080  # on the short side: the most that is asked of a model; above it scaling is cheaper


def _table(path: Path, schema: str) -> dict[str, Any]:
    data = load_data(path)
    if not isinstance(data, dict) or data.pop("schema", None) != schema:
        raise ValueError(f"{path.name} is not a table of the form {schema}")
    return data


@cache
def load_models() -> Mapping[str, ModelCard]:
    """Every model by id, retired ones too."""
    cards: dict[str, ModelCard] = {}
    for path in sorted(MODELS.glob("*.yaml")):
        for row in _table(path, "models/1")["models"]:
            card = ModelCard.model_validate(row)
            if card.id in cards:
                raise ValueError(f"{path.name}: {card.id} has a row already")
            cards[card.id] = card
    return MappingProxyType(cards)


@cache
def load_profiles() -> Mapping[str, Profile]:
    """Every delivery profile by name."""
    profiles = (Profile.model_validate(_table(path, "profile/1")) for path in sorted(PROFILES.glob("*.yaml")))
    return MappingProxyType({profile.name: profile for profile in profiles})


@cache
def rate_card_digest() -> str:
    """Digest of every price, without source and date: a better source for the same number is not another price."""
    return digest_json(
        {card.id: card.price.model_dump(mode="json", exclude={"source", "as_of"}) for card in load_models().values()}
    )


def rate_card_date() -> str:
    """The date of the youngest price."""
    return max(card.price.as_of for card in load_models().values())


def find_stale(rows: Iterable[ModelCard | Profile], today: datetime.date) -> tuple[str, ...]:
    """What is sold or taken by rows that nobody has looked at for half a year, as "gen4.5 (price of 2026-09-27)"."""
    found = []
    for row in rows:
        dates = [("facts", row.as_of)]
        name = row.name if isinstance(row, Profile) else row.id
        if isinstance(row, ModelCard):
            if row.retired is not None:
                continue
            dates.append(("price", row.price.as_of))
        for what, as_of in dates:
            if (today - datetime.date.fromisoformat(as_of)).days > STALE_DAYS:
                found.append(f"{name} ({what} of {as_of})")
    return tuple(found)


def find_endpoint(card: ModelCard, path: str) -> EndpointCard | None:
    return next((endpoint for endpoint in card.endpoints if endpoint.path == path), None)


def native_size(card: ModelCard, path: str, ratio: str) -> str | None:
    """The output size that a model sells for an aspect ratio, as "1280:720"; None when it sells none that is near.

    Of several the largest up to 1080 lines: more lines mean less scaling up, and no video row charges by size. Where
    none has exactly this ratio, the one of which a crop keeps most, if that is KEPT of it: 4:5 out of 832×1104.
    """
    endpoint = find_endpoint(card, path)
    wide, high = (int(n) for n in ratio.split(":"))
    sizes = (
        [(int(width), int(height)) for width, height in (size.split(":") for size in endpoint.ratios)]
        if endpoint
        else []
    )
    fitting = sorted(size for size in sizes if size[0] * high == size[1] * wide)
    if not fitting:
        kept = {size: kept_by_crop(size, (wide, high)) for size in sizes}
        most = max(kept.values(), default=Fraction(0))
        fitting = sorted(size for size, part in kept.items() if part == most >= KEPT)
    if not fitting:
        return None
    return "{}:{}".format(*max((size for size in fitting if min(size) <= LINES), default=fitting[0]))


def kept_by_crop(size: tuple[int, int], ratio: tuple[int, int]) -> Fraction:
    """The part of a picture that is left when it is cropped to a ratio; 1 when it has it."""
    have, wanted = Fraction(*size), Fraction(*ratio)
    return min(have / wanted, wanted / have)


def still_size(card: ModelCard, ratio: str) -> str | None:
    """The size of a still for an aspect ratio: with 1080 lines on its short side where that is sold."""
    return native_size(card, "/v1/text_to_image", ratio)


def price_take(card: ModelCard, endpoint: str, ratio: str, seconds: int, *, audio: bool = False) -> int:
    """Credits of one take. `endpoint` is the create path, `ratio` the output size ("1280:720").

    Raises ValueError for what the row does not sell, so that no estimate rests on a request that will be refused.
    """
    sold = find_endpoint(card, endpoint)
    if sold is None or ratio not in sold.ratios:
        raise ValueError(f"{card.id} does not sell {ratio} on {endpoint}")
    if card.seconds is None or not card.seconds.sells(seconds):
        raise ValueError(f"{card.id} does not sell {seconds} s")
    rate = card.price.credits_per_second_with_audio if audio else card.price.credits_per_second
    if rate is None:
        raise ValueError(f"{card.id} has no price per second{' with sound' if audio else ''}")
    return rate * seconds


def price_still(card: ModelCard, ratio: str) -> int:
    """Credits of one still of an output size such as "1920:1080"."""
    prices = card.price.credits_per_image
    price = prices.get(ratio, prices.get("default"))
    if price is None:
        raise ValueError(f"{card.id} has no price for a still of {ratio}")
    return price


def price_speech(card: ModelCard, characters: int) -> int:
    """Credits of one line: the dollar price converted and rounded up, at least 1."""
    if card.price.usd_per_1000_characters is None:
        raise ValueError(f"{card.id} has no price per character")
    return _in_credits(Decimal(card.price.usd_per_1000_characters) * characters / 1000)


def price_effect(card: ModelCard, seconds: Decimal | int) -> int:
    """Credits of one effect; `seconds` matters only to a model that is paid by length."""
    price = card.price
    if price.usd_per_request is not None:
        return _in_credits(Decimal(price.usd_per_request))
    if price.credits_per_second is not None:
        return max(1, math.ceil(price.credits_per_second * Decimal(seconds)))
    raise ValueError(f"{card.id} has no price per effect")


def _in_credits(dollars: Decimal) -> int:
    return max(1, math.ceil(dollars * CREDITS_PER_DOLLAR))
