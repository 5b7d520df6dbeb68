"""The tables: complete, dated, sourced, and the prices that follow from them."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.media.safe import safe_box
from manifests import ratecard
from manifests.catalogue import ModelCard, Price, SecondsSold
from manifests.ratecard import (
    load_models,
    load_profiles,
    native_size,
    price_effect,
    price_speech,
    price_still,
    price_take,
    rate_card_date,
    rate_card_digest,
    still_size,
)

MODELS, PROFILES = load_models(), load_profiles()
SOLD = [card for card in MODELS.values() if card.retired is None]
IMAGE = "/v1/image_to_video"


def test_the_models_that_are_promised_are_there() -> None:
    makes = {card.id: card.makes for card in SOLD}
    assert makes == {
        "gen4.5": "video",
        "gen4_turbo": "video",
        "veo3.1": "video",
        "veo3.1_fast": "video",
        "gen4_image": "still",
        "gen4_image_turbo": "still",
        "eleven_multilingual_v2": "speech",
        "eleven_flash_v2_5": "speech",
        "eleven_v3": "speech",
        "eleven_text_to_sound_v2": "effect",
    }
    assert {card.id: card.replacement for card in MODELS.values() if card.retired} == {
        "gen3a_turbo": "gen4_turbo",
        "gen4_aleph": "aleph2",
        "veo3": "veo3.1",
    }


@pytest.mark.parametrize("card", MODELS.values(), ids=lambda card: card.id)
def test_every_row_is_dated_and_sourced(card: ModelCard) -> None:
    for date in (card.as_of, card.price.as_of, card.retired or card.as_of):
        assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", date)
    assert card.source
    assert card.price.source


@pytest.mark.parametrize("card", SOLD, ids=lambda card: card.id)
def test_every_row_can_be_asked_for_and_priced(card: ModelCard) -> None:
    assert card.endpoints
    for endpoint in card.endpoints:
        assert not set(endpoint.required) & set(endpoint.optional)
        assert all(re.fullmatch(r"\d+:\d+", ratio) for ratio in endpoint.ratios)
        if card.makes == "video":
            assert card.seconds is not None
            for ratio in endpoint.ratios:
                assert price_take(card, endpoint.path, ratio, card.seconds.lengths[0]) > 0
        elif card.makes == "still":
            assert all(price_still(card, ratio) > 0 for ratio in endpoint.ratios)
    if card.makes == "speech":
        assert price_speech(card, 1) == 1
    if card.makes == "effect":
        assert price_effect(card, 5) > 0


def test_one_way_of_charging_a_row() -> None:
    for card in SOLD:
        price = card.price
        ways = (price.credits_per_second, price.credits_per_image, price.usd_per_1000_characters, price.usd_per_request)
        assert sum(1 for way in ways if way) == 1, card.id


@pytest.mark.parametrize(
    ("model", "seconds", "credits"), [("gen4.5", 10, 120), ("gen4.5", 7, 84), ("gen4_turbo", 5, 25)]
)
def test_takes_cost_what_the_list_says(model: str, seconds: int, credits: int) -> None:
    assert price_take(MODELS[model], IMAGE, "1280:720", seconds) == credits


def test_sound_in_the_picture_has_its_own_price() -> None:
    assert price_take(MODELS["veo3.1"], IMAGE, "1920:1080", 8) == 160
    assert price_take(MODELS["veo3.1"], IMAGE, "1920:1080", 8, audio=True) == 320
    with pytest.raises(ValueError, match="no price per second with sound"):
        price_take(MODELS["gen4.5"], IMAGE, "1280:720", 8, audio=True)


@pytest.mark.parametrize(
    ("endpoint", "ratio", "seconds"),
    [
        ("/v1/text_to_video", "1584:672", 5),
        (IMAGE, "1280:768", 5),
        (IMAGE, "1280:720", 11),
        ("/v1/nothing", "1280:720", 5),
    ],
)
def test_what_is_not_sold_has_no_price(endpoint: str, ratio: str, seconds: int) -> None:
    with pytest.raises(ValueError, match="does not sell"):
        price_take(MODELS["gen4.5"], endpoint, ratio, seconds)


def test_stills_by_size() -> None:
    assert [price_still(MODELS["gen4_image"], ratio) for ratio in ("1920:1080", "1280:720", "1024:1024")] == [8, 5, 8]
    assert price_still(MODELS["gen4_image_turbo"], "1920:1080") == 2
    with pytest.raises(ValueError, match="no price for a still"):
        price_still(MODELS["gen4.5"], "1920:1080")


@pytest.mark.parametrize(("characters", "credits"), [(1, 1), (33, 1), (100, 1), (101, 2), (1000, 10), (1001, 11)])
def test_speech_is_converted_and_rounded_up(characters: int, credits: int) -> None:
    assert price_speech(MODELS["eleven_multilingual_v2"], characters) == credits


@given(st.integers(1, 40_000))
def test_speech_is_never_estimated_below_its_price(characters: int) -> None:
    for name in ("eleven_multilingual_v2", "eleven_flash_v2_5"):
        dollars = Decimal(MODELS[name].price.usd_per_1000_characters or "0") * characters / 1000
        credits = price_speech(MODELS[name], characters)
        assert dollars <= Decimal(credits) / 100 < dollars + Decimal("0.01") or credits == 1


def test_effects_cost_a_flat_price_or_by_the_second() -> None:
    effect = MODELS["eleven_text_to_sound_v2"]
    assert [price_effect(effect, Decimal(seconds)) for seconds in ("0.5", "5", "30")] == [12, 12, 12]
    by_length = effect.model_copy(update={"price": Price(credits_per_second=1, source="test", as_of="2026-01-01")})
    assert [price_effect(by_length, Decimal(seconds)) for seconds in ("0.5", "5", "5.1")] == [1, 5, 6]
    for wrong in (price_speech, price_effect):
        with pytest.raises(ValueError, match="has no price"):
            wrong(MODELS["gen4_image"], 5)


def test_sizes_by_aspect_ratio() -> None:
    gen45 = MODELS["gen4.5"]
    assert [native_size(gen45, IMAGE, ratio) for ratio in ("16:9", "9:16", "1:1")] == [
        "1280:720",
        "720:1280",
        "960:960",
    ]
    assert native_size(gen45, "/v1/text_to_video", "1:1") is None
    assert native_size(gen45, IMAGE, "4:3") == "1104:832"  # the nearest pair of the vendor's to 4:3
    assert native_size(MODELS["veo3.1"], IMAGE, "16:9") == "1920:1080"  # the same price as 1280:720
    (endpoint, *_) = MODELS["veo3.1"].endpoints
    huge = endpoint.model_copy(update={"ratios": ("3840:2160", "7680:4320", "2160:3840")})
    only_huge = MODELS["veo3.1"].model_copy(update={"endpoints": (huge,)})
    assert native_size(only_huge, endpoint.path, "16:9") == "3840:2160"
    still = MODELS["gen4_image"]
    assert [still_size(still, ratio) for ratio in ("16:9", "9:16", "1:1", "4:3", "21:9", "4:5")] == [
        "1920:1080", "1080:1920", "1080:1080", "1440:1080", "1680:720", "1080:1440",
    ]  # fmt: skip


@given(st.integers(1, 40), st.sampled_from([SecondsSold(minimum=2, maximum=10), SecondsSold(values=(8, 4, 6))]))
def test_the_shortest_length_that_covers(seconds: int, sold: SecondsSold) -> None:
    found = sold.shortest(Fraction(seconds))
    covering = [length for length in sold.lengths if length >= seconds]
    assert found == (min(covering) if covering else None)
    assert [length for length in range(1, 41) if sold.sells(length)] == list(sold.lengths)


# --- profiles ---


def test_the_three_placements() -> None:
    youtube, ctv, master = PROFILES["youtube-instream"], PROFILES["ctv-generic"], PROFILES["master-4k"]
    assert (youtube.loudness.integrated, youtube.loudness.true_peak) == ("-14", "-1")
    assert (ctv.loudness.integrated, ctv.loudness.tolerance, ctv.loudness.true_peak) == ("-24", "2", "-2")
    assert master.loudness.integrated == "-23"
    assert (ctv.frame_rate, ctv.rate_change, ctv.lengths_seconds) == (Fraction(24000, 1001), "relabel", (15, 30))
    assert (youtube.frame_rate, master.frame_rate) == (24, 24)
    assert master.sizes["9:16"] == (2160, 3840)


def test_the_placements_that_are_sold() -> None:
    assert set(PROFILES) == {
        "meta-feed", "meta-stories", "meta-reels", "tiktok-infeed", "youtube-instream", "youtube-bumper",
        "youtube-shorts", "linkedin-feed", "snap-single", "pinterest-standard", "ctv-generic", "broadcast-us",
        "broadcast-eu", "vertical-common", "master-4k",
    }  # fmt: skip
    assert PROFILES["meta-reels"].safe_area.bottom == "35"
    assert PROFILES["meta-feed"].sizes["4:5"] == (1080, 1350)
    assert PROFILES["linkedin-feed"].captions == ("srt",)
    assert (PROFILES["tiktok-infeed"].minimum_kbps, PROFILES["tiktok-infeed"].maximum_bytes) == (516, 500_000_000)
    assert PROFILES["snap-single"].loudness.integrated == "-16"
    us, eu = PROFILES["broadcast-us"], PROFILES["broadcast-eu"]
    assert (us.loudness.integrated, us.frames_per_second, us.named_by, us.longest_name) == ("-24", 24, "ad_id", 12)
    assert (eu.loudness.integrated, eu.loudness.short_term, eu.frames_per_second) == ("-23", "-18", 25)
    assert (us.rate_change, eu.rate_change) == ("relabel", "speed")


def test_what_is_seen_on_phones_shares_its_encoded_picture() -> None:
    """Files of one size with equal settings share sections: only television asks for something else."""
    settings: dict[tuple[int, int], set[str]] = {}
    for profile in PROFILES.values():
        if "tv" not in profile.platforms and profile.name != "master-4k":
            assert profile.frame_rate == 24
            for size in profile.sizes.values():
                settings.setdefault(size, set()).add(profile.video.model_dump_json())
    assert len(settings) == 5
    assert all(len(found) == 1 for found in settings.values())


def test_one_vertical_file_keeps_to_the_strictest_of_four() -> None:
    common = PROFILES["vertical-common"]
    others = [PROFILES[name] for name in ("meta-reels", "meta-stories", "tiktok-infeed", "youtube-shorts")]
    for edge in ("top", "bottom", "left", "right"):
        assert Decimal(getattr(common.safe_area, edge)) == max(Decimal(getattr(o.safe_area, edge)) for o in others)
    assert common.minimum_seconds == max(o.minimum_seconds or 0 for o in others)
    assert common.maximum_seconds == min(o.maximum_seconds for o in others if o.maximum_seconds)
    assert common.maximum_bytes == min(o.maximum_bytes for o in others if o.maximum_bytes)
    assert common.minimum_kbps == max(o.minimum_kbps or 0 for o in others)
    assert set(common.platforms) == {platform for o in others for platform in o.platforms}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_profile_holds_together(profile: ratecard.Profile) -> None:
    assert (ratecard.PROFILES / f"{profile.name}.yaml").exists()
    assert profile.source
    assert datetime.date.fromisoformat(profile.as_of)
    assert profile.sizes
    assert bool(profile.platforms) != (profile.name == "master-4k")
    assert bool(profile.positions) == ("meta" in profile.platforms)
    assert (profile.minimum_seconds or 0) <= (profile.maximum_seconds or 10**9)
    assert (profile.minimum_bytes or 0) <= (profile.maximum_bytes or 10**15)
    assert (profile.named_by == "ad_id") == (profile.longest_name is not None)
    video = profile.video
    assert (video.crf is None) != (video.bitrate_kbps is None)
    if profile.recode or profile.audio.codec != "aac":
        assert profile.container == "mov"
    if video.bitrate_kbps:
        assert (video.minimum_kbps or 0) <= video.bitrate_kbps <= (video.maximum_kbps or video.bitrate_kbps)
    for ratio, (width, height) in profile.sizes.items():
        wide, high = (int(n) for n in ratio.split(":"))
        assert width * high == height * wide
        assert width % 2 == height % 2 == 0
    assert (profile.rate_change == "none") == (profile.frame_rate == 24)
    for edge in ("top", "bottom", "left", "right"):
        assert 0 <= Decimal(getattr(profile.safe_area, edge)) < 50
    for width, height in profile.sizes.values():
        box = safe_box(width, height, **{k: Decimal(v) for k, v in profile.safe_area.model_dump().items()})
        assert box.width >= width * 3 // 4, "room for a line of words"
        assert box.height >= height // 2, "room for a picture"
    if profile.maximum_bytes and video.maximum_kbps and profile.lengths_seconds:
        kbps = video.maximum_kbps + profile.audio.bitrate_kbps
        assert kbps * 125 * max(profile.lengths_seconds) < profile.maximum_bytes


def test_rows_that_nobody_looked_at_for_half_a_year() -> None:
    rows = [MODELS["gen4.5"], MODELS["veo3"], PROFILES["master-4k"]]  # a retired row does not age
    assert ratecard.find_stale(rows, datetime.date(2027, 3, 26)) == ()
    assert ratecard.find_stale(rows, datetime.date(2027, 3, 27)) == ("gen4.5 (price of 2026-09-27)",)
    assert ratecard.find_stale(rows, datetime.date(2027, 7, 1)) == (
        "gen4.5 (facts of 2026-10-23)",
        "gen4.5 (price of 2026-09-27)",
        "master-4k (facts of 2026-11-20)",
    )


# --- the rate card as a whole ---


def test_the_digest_follows_prices_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rate_card_date() == "2026-09-27"
    before = rate_card_digest()

    def digest_with(**price: object) -> str:
        card = MODELS["gen4.5"]
        changed = card.model_copy(update={"price": card.price.model_copy(update=price)})
        monkeypatch.setattr(ratecard, "load_models", lambda: {**MODELS, "gen4.5": changed})
        return rate_card_digest.__wrapped__()

    assert digest_with(source="somebody else", as_of="2027-01-01") == before
    assert digest_with(credits_per_second=13) != before


def test_a_file_of_another_kind_and_a_double_row_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratecard, "MODELS", tmp_path)
    read = ratecard.load_models.__wrapped__
    (tmp_path / "a.yaml").write_text("schema: profile/1\nmodels: []\n")
    with pytest.raises(ValueError, match="not a table of the form models/1"):
        read()
    row = (Path(ratecard.__file__).parent / "models" / "runway-retired.yaml").read_text()
    (tmp_path / "a.yaml").write_text(row)
    (tmp_path / "b.yaml").write_text(row)
    with pytest.raises(ValueError, match="has a row already"):
        read()
