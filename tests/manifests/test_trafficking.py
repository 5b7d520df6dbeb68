"""The sheet for the people who book the media, and what Meta's and Google's interfaces are given."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.adnames import content_id
from manifests.digest import digest_json
from manifests.ratecard import load_profiles
from manifests.trafficking import (
    Trafficked,
    disclosure_flags,
    google_assets,
    meta_assets,
    trafficking_rows,
    write_csv,
)

PROFILES = load_profiles()


def made(profile: str = "meta-reels", ratio: str | None = None, **how: Any) -> Trafficked:
    found = PROFILES[profile]
    ratio = ratio or next(iter(found.sizes))
    width, height = found.sizes[ratio]
    axes = how.pop("axes", {"product": "kettle-green", "hook": "cold", "locale": "en-GB", "ratio": ratio})
    sha256 = digest_json([profile, ratio, axes])
    name = "_".join(["alder", "winter", *axes.values(), profile, "v01"]).replace(":", "x")
    usual: dict[str, Any] = {
        "file": f"{profile}/{name}.{found.container}", "ad_name": name, "content_id": content_id(sha256),
        "brand": "alder", "campaign": "winter", "spot": "winter", "ratio": ratio, "profile": found, "width": width,
        "height": height, "frames": 15 * found.frames_per_second, "rate": found.rate, "sha256": sha256,
        "bytes": 9_000_000, "lufs": -14.02, "true_peak": -1.31, "axes": axes,
    }  # fmt: skip
    return Trafficked(**(usual | how))


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


# --- the sheet ---


def test_a_row_says_everything_about_its_file() -> None:
    file = made(
        captions=("meta-reels/a.srt", "meta-reels/a.vtt"), landing_url="https://alder.example/tea",
        ad_id="ALDR0001000H", flight=("2026-12-01", "2026-12-31"), valid_to="2026-12-24", approver="Kim, brand",
    )  # fmt: skip
    (row,) = read(write_csv(trafficking_rows([file])))
    assert list(row) == [
        "file", "ad_name", "content_id", "ad_id", "brand", "campaign", "spot", "product", "hook", "locale", "ratio",
        "profile", "placement", "width", "height", "seconds", "frames", "rate", "loudness_lufs", "true_peak_dbtp",
        "bytes", "sha256", "version", "caption_files", "tiktok_aigc", "meta_ai_info", "google_ai_flag",
        "linkedin_ai_label", "pinterest_ai_label", "landing_url", "flight_start", "flight_end", "valid_to",
        "approver", "note",
    ]  # fmt: skip
    assert (row["product"], row["hook"], row["locale"], row["ratio"]) == ("kettle-green", "cold", "en-GB", "9:16")
    assert (row["width"], row["height"], row["frames"], row["seconds"]) == ("1080", "1920", "360", "15.000")
    assert (row["loudness_lufs"], row["true_peak_dbtp"]) == ("-14.02", "-1.31")
    assert row["sha256"] == file.sha256
    assert row["caption_files"] == "meta-reels/a.srt meta-reels/a.vtt"
    assert row["approver"] == "Kim, brand"
    assert (row["flight_start"], row["flight_end"], row["note"]) == ("2026-12-01", "2026-12-31", "")
    assert row["valid_to"] == "2026-12-24"
    assert trafficking_rows([made()])[0]["valid_to"] == "", "nothing in it ends"


def test_every_axis_of_any_file_has_its_column() -> None:
    rows = trafficking_rows([made(), made(axes={"market": "fr", "file": "x"}), made(axes={})])
    assert len({tuple(row) for row in rows}) == 1
    assert [row["market"] for row in rows] == ["", "fr", ""]
    assert [row["axis_file"] for row in rows] == ["", "x", ""], "the column `file` is taken"
    assert rows[1]["file"].endswith(".mp4")
    assert write_csv([]) == ""


def test_a_silent_animatic_says_so() -> None:
    (row,) = trafficking_rows([made(lufs=None, true_peak=None, animatic=True)])
    assert (row["loudness_lufs"], row["true_peak_dbtp"]) == ("", "")
    assert row["note"] == "animatic, filmed on the backlot: not for air"


FLAGS = {
    "tiktok-infeed": {"tiktok_aigc": "yes"},
    "meta-feed": {"meta_ai_info": "expect AI info label"},
    "youtube-shorts": {"google_ai_flag": "yes"},
    "linkedin-feed": {"linkedin_ai_label": "label follows from Content Credentials"},
    "pinterest-standard": {"pinterest_ai_label": "label follows from Content Credentials"},
    "broadcast-us": {},
    "vertical-common": {"tiktok_aigc": "yes", "meta_ai_info": "expect AI info label", "google_ai_flag": "yes"},
}


@pytest.mark.parametrize("profile", FLAGS)
def test_each_platform_is_told_what_it_asks(profile: str) -> None:
    def told(file: Trafficked) -> dict[str, str]:
        return {name: value for name, value in disclosure_flags(file).items() if value}

    assert told(made(profile)) == FLAGS[profile]
    assert told(made(profile, generated=False)) == dict.fromkeys(FLAGS[profile], "no")
    assert disclosure_flags(made("youtube-shorts", google_ai_flag=False))["google_ai_flag"] == "no"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.fixed_dictionaries({"a": texts, "b, c": texts, 'd"': texts}), min_size=1, max_size=4))
def test_any_text_comes_back_and_none_is_a_formula(rows: list[dict[str, str]]) -> None:
    text = write_csv(rows)
    assert text.encode().decode() == text
    assert text.endswith("\r\n")
    again = read(text)
    for row, back in zip(rows, again, strict=True):
        for name, value in row.items():
            assert back[name] == (f"'{value}" if re.match(r"[=+\-@\t\r]", value) else value)
            assert not re.match(r"[=+\-@]", back[name])


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1", "-x", "@kim", "\tx"])
def test_what_people_typed_is_no_formula(text: str) -> None:
    (row,) = read(write_csv(trafficking_rows([made(approver=text, landing_url=text)])))
    assert row["approver"] == row["landing_url"] == f"'{text}"
    assert row["loudness_lufs"] == "-14.02", "our numbers stay numbers"


# --- Meta ---


def test_one_ad_shows_each_placement_its_own_file() -> None:
    files = [made("meta-feed"), made("meta-stories"), made("meta-reels"), made("tiktok-infeed")]
    told = meta_assets([replace(file, landing_url="https://alder.example") for file in files])
    (ad,) = told["ads"]
    assert ad["name"] == "alder_winter_kettle-green_cold_en-GB"
    feed = ad["asset_feed_spec"]
    labels = [video["adlabels"][0]["name"] for video in feed["videos"]]
    assert sorted(labels) == ["meta-feed-4x5", "meta-reels-9x16", "meta-stories-9x16"]
    rules = {rule["video_label"]["name"]: rule["customization_spec"] for rule in feed["asset_customization_rules"]}
    assert set(rules) == set(labels), "every rule's label is on a video"
    assert rules["meta-reels-9x16"] == {
        "publisher_platforms": ["facebook", "instagram"],
        "facebook_positions": ["facebook_reels"],
        "instagram_positions": ["reels"],
    }
    assert [rule["priority"] for rule in feed["asset_customization_rules"]] == [1, 2, 3]
    assert feed["link_urls"] == [{"website_url": "https://alder.example"}]
    assert (feed["ad_formats"], feed["optimization_type"]) == (["SINGLE_VIDEO"], "PLACEMENT")
    assert {file["sha256"] for file in ad["files"]} == {file.sha256 for file in files[:3]}
    assert told["unused"] == []
    json.dumps(told)


def test_a_position_is_given_once() -> None:
    """To the file made for it before the one made for many, to the taller before the wider."""
    files = [made("vertical-common"), made("meta-feed", "1:1"), made("meta-feed", "4:5"), made("meta-reels")]
    told = meta_assets(files)
    (ad,) = told["ads"]
    rules = ad["asset_feed_spec"]["asset_customization_rules"]
    by_label = {rule["video_label"]["name"]: rule["customization_spec"] for rule in rules}
    assert by_label["vertical-common-9x16"]["instagram_positions"] == ["story"]
    assert set(by_label) == {"vertical-common-9x16", "meta-feed-4x5", "meta-reels-9x16"}
    assert [item["file"] for item in told["unused"]] == [files[1].file]
    given_out = [
        (p, place) for spec in by_label.values() for p in ("facebook", "instagram") for place in spec[f"{p}_positions"]
    ]
    assert len(given_out) == len(set(given_out))


def test_a_single_file_needs_no_rules() -> None:
    (ad,) = meta_assets([made("meta-reels", animatic=True)])["ads"]
    assert "asset_feed_spec" not in ad
    video = ad["object_story_spec"]["video_data"]
    assert video["video_id"].startswith("<VIDEO_ID of alder_winter_")
    assert video["call_to_action"]["value"] == {"link": "<LANDING_URL>"}
    assert ad["files"][0]["note"].startswith("animatic")
    assert meta_assets([made("tiktok-infeed")]) | {"source": ""} == {
        "schema": "meta-assets/1", "source": "", "ads": [], "unused": [],
    }  # fmt: skip


def test_every_variant_is_an_ad_of_its_own() -> None:
    cells = product(["kettle-green", "pot-clay"], ["cold", "gift"], ["en-GB", "ja-JP"])
    files = [
        made(profile, axes={"product": p, "hook": h, "locale": n})
        for p, h, n in cells
        for profile in ("meta-reels", "meta-feed")
    ]
    ads = meta_assets(files)["ads"]
    assert len({ad["name"] for ad in ads}) == len(ads) == 8
    assert all(len(ad["asset_feed_spec"]["videos"]) == 2 for ad in ads)
    apart = [made(axes={"product": "gift", "hook": ""}), made(axes={"product": "", "hook": "gift"})]
    assert len(meta_assets(apart)["ads"]) == 2


# --- Google ---


def test_one_responsive_ad_holds_every_shape() -> None:
    files = [made("youtube-instream", ratio) for ratio in ("16:9", "1:1")] + [made("youtube-shorts")]
    told = google_assets(files)
    (ad,) = told["ads"]
    names = [asset["asset"]["resource_name"] for asset in told["assets"]]
    assert names == [f"customers/<CUSTOMER_ID>/assets/{n}" for n in (-1, -2, -3)]
    assert [video["asset"] for video in ad["demand_gen_video_responsive_ad"]["videos"]] == names
    assert ad["by_ratio"] == dict(zip(("16:9", "1:1", "9:16"), names, strict=True))
    asset = told["assets"][0]
    assert asset["asset"]["type"] == "YOUTUBE_VIDEO"
    assert asset["asset"]["youtube_video_asset"]["youtube_video_id"] == f"<YOUTUBE_VIDEO_ID of {files[0].ad_name}>"
    assert asset["disclosure"] == {"google_ai_flag": "yes"}
    required = {"headlines", "long_headlines", "descriptions", "business_name", "logo_images", "videos"}
    assert required <= set(ad["demand_gen_video_responsive_ad"])
    json.dumps(told)


def test_what_does_not_go_into_the_ad_is_said() -> None:
    files = [made("vertical-common"), made("youtube-shorts"), made("youtube-bumper", "16:9", frames=144)]
    told = google_assets(files)
    assert [asset["file"] for asset in told["assets"]] == [files[1].file], "the file made for the place comes first"
    whys = {item["file"]: item["why"] for item in told["unused"]}
    assert set(whys) == {files[0].file, files[2].file}
    assert "bumper" in whys[files[2].file]
    assert google_assets(files[2:])["ads"] == []
