"""What the people who book the media need: one row per delivered file, and the assets of Meta's and Google's APIs.

Pure: tables and dictionaries from what is known of finished files. Ids that only the buyer has stay place-holders in
angle brackets. Nothing is uploaded or booked.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from manifests.catalogue import Profile

META_SOURCE = "Marketing API, placement asset customization; developers.facebook.com, read 2026-11-21"
GOOGLE_SOURCE = "Google Ads API v26, DemandGenVideoResponsiveAdInfo; developers.google.com, read 2026-11-21"
ANIMATIC = "animatic, filmed on the backlot: not for air"

Row = dict[str, str]
Group = tuple[str, ...]
Rule = tuple["Trafficked", dict[str, list[str]]]  # a file, and its positions by publisher platform


@dataclass(frozen=True)
class Trafficked:
    """One delivered file. `axes` are its values by axis name, ratio among them or not; empty where there is none."""

    file: str  # as it lies beside the sheet: folder and ending included
    ad_name: str  # without either
    content_id: str
    brand: str
    campaign: str
    spot: str
    ratio: str
    profile: Profile
    width: int
    height: int
    frames: int
    rate: str
    sha256: str
    bytes: int
    lufs: float | None
    true_peak: float | None
    version: int = 1
    axes: Mapping[str, str] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    ad_id: str = ""
    landing_url: str = ""
    flight: tuple[str, str] = ("", "")
    valid_to: str = ""  # the last day of what it offers
    approver: str = ""
    generated: bool = True  # whether a model made any of its picture
    google_ai_flag: bool = True  # brand policy: no official text says whether every ad needs it
    animatic: bool = False

    @property
    def seconds(self) -> Fraction:
        return self.frames / Fraction(self.rate)

    @property
    def group(self) -> Group:
        """What files of one ad have in common: all but shape and placement."""
        return (self.brand, self.campaign, self.spot, *(f"{name}={value}" for name, value in self._shown))

    @property
    def ad(self) -> str:
        """The name of its ad. A spot alone is called like its campaign."""
        names = [self.brand, self.campaign, *([] if self.spot == self.campaign else [self.spot])]
        return "_".join([*names, *(value for _, value in self._shown)])

    @property
    def _shown(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.axes.items() if name != "ratio" and value]


def trafficking_rows(files: Sequence[Trafficked]) -> list[Row]:
    """One row per file, all with the same columns in the same order: every axis that any of them has."""
    axes = tuple(dict.fromkeys(name for file in files for name in file.axes if name != "ratio"))
    return [_row(file, axes) for file in files]


def _row(file: Trafficked, axes: Sequence[str]) -> Row:
    profile = file.profile
    row = {
        "file": file.file,
        "ad_name": file.ad_name,
        "content_id": file.content_id,
        "ad_id": file.ad_id,
        "brand": file.brand,
        "campaign": file.campaign,
        "spot": file.spot,
        "ratio": file.ratio,
        "profile": profile.name,
        "placement": profile.title,
        "width": str(file.width),
        "height": str(file.height),
        "seconds": f"{float(file.seconds):.3f}",
        "frames": str(file.frames),
        "rate": file.rate,
        "loudness_lufs": "" if file.lufs is None else f"{file.lufs:.2f}",
        "true_peak_dbtp": "" if file.true_peak is None else f"{file.true_peak:.2f}",
        "bytes": str(file.bytes),
        "sha256": file.sha256,
        "version": f"{file.version:02d}",
        "caption_files": " ".join(file.captions),
        **disclosure_flags(file),
        "landing_url": file.landing_url,
        "flight_start": file.flight[0],
        "flight_end": file.flight[1],
        "valid_to": file.valid_to,
        "approver": file.approver,
        "note": ANIMATIC if file.animatic else "",
    }
    own = {f"axis_{name}" if name in row else name: file.axes.get(name, "") for name in axes}
    items = list(row.items())
    place = [key for key, _ in items].index("ratio")
    return dict([*items[:place], *own.items(), *items[place:]])


def disclosure_flags(file: Trafficked) -> Row:
    """What each platform is told, or will find out by itself (compliance sheet 2); empty where the file does not go."""

    def flag(platform: str, generated: str) -> str:
        if platform not in file.profile.platforms:
            return ""
        return generated if file.generated else "no"

    credentials = "label follows from Content Credentials"
    return {
        "tiktok_aigc": flag("tiktok", "yes"),
        "meta_ai_info": flag("meta", "expect AI info label"),
        "google_ai_flag": flag("google", "yes" if file.google_ai_flag else "no"),
        "linkedin_ai_label": flag("linkedin", credentials),
        "pinterest_ai_label": flag("pinterest", credentials),
    }


# --- the sheet ---

_NUMBERS = ("loudness_lufs", "true_peak_dbtp")  # of ours, and below zero
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(rows: Sequence[Row]) -> str:
    """RFC 4180; stored as UTF-8. No cell is a formula: a spreadsheet would run what somebody typed into a name."""
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_harmless("", name) for name in rows[0]])
    writer.writerows([_harmless(name, row[name]) for name in rows[0]] for row in rows)
    return out.getvalue()


def _harmless(column: str, text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) and column not in _NUMBERS else text


# --- Meta: one ad shows each placement the file that was made for it ---


def meta_assets(files: Sequence[Trafficked]) -> dict[str, Any]:
    """Creatives for Meta's interface, one per ad, with the files that no placement is left for under `unused`."""
    ads, unused = [], []
    for group in _by_ad(file for file in files if "meta" in file.profile.platforms):
        rules, left = _share_positions(group)
        unused += [{"file": file.file, "why": "its placements are served by a file of closer fit"} for file in left]
        ads.append(_meta_ad(rules))
    return {"schema": "meta-assets/1", "source": META_SOURCE, "ads": ads, "unused": unused}


def _share_positions(group: Sequence[Trafficked]) -> tuple[list[Rule], list[Trafficked]]:
    """Each position once: to the profile made for the fewest of them, then to the tallest picture."""
    taken: set[tuple[str, str]] = set()
    rules: list[Rule] = []
    left = []
    for file in sorted(group, key=lambda f: (sum(map(len, f.profile.positions.values())), -f.height * 1000 // f.width)):
        free = {
            platform: [place for place in places if (platform, place) not in taken]
            for platform, places in file.profile.positions.items()
        }
        free = {platform: places for platform, places in free.items() if places}
        taken |= {(platform, place) for platform, places in free.items() for place in places}
        if free:
            rules.append((file, free))
        else:
            left.append(file)
    return rules, left


def _meta_ad(rules: Sequence[Rule]) -> dict[str, Any]:
    first = rules[0][0]
    link = first.landing_url or "<LANDING_URL>"
    story: dict[str, Any] = {"page_id": "<PAGE_ID>", "instagram_user_id": "<INSTAGRAM_USER_ID>"}
    ad: dict[str, Any] = {"name": first.ad, "object_story_spec": story}
    if len(rules) == 1:  # asset customization wants more than one rule
        call = {"type": "<CALL_TO_ACTION>", "value": {"link": link}}
        words = {"message": "<PRIMARY_TEXT>", "title": "<HEADLINE>", "call_to_action": call}
        story["video_data"] = {"video_id": _video_id(first), "image_url": "<THUMBNAIL_URL>", **words}
    else:
        ad["asset_feed_spec"] = {
            "ad_formats": ["SINGLE_VIDEO"],
            "optimization_type": "PLACEMENT",
            "videos": [
                {"video_id": _video_id(f), "thumbnail_url": "<THUMBNAIL_URL>", "adlabels": [{"name": _label(f)}]}
                for f, _ in rules
            ],
            "bodies": [{"text": "<PRIMARY_TEXT>"}],
            "titles": [{"text": "<HEADLINE>"}],
            "link_urls": [{"website_url": link}],
            "call_to_action_types": ["<CALL_TO_ACTION>"],
            "asset_customization_rules": [_meta_rule(n, f, free) for n, (f, free) in enumerate(rules, 1)],
        }
    return {**ad, "files": [_file(f) for f, _ in rules]}


def _meta_rule(priority: int, file: Trafficked, free: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    places = {f"{platform}_positions": list(names) for platform, names in free.items()}
    spec = {"publisher_platforms": list(free), **places}
    return {"customization_spec": spec, "video_label": {"name": _label(file)}, "priority": priority}


def _label(file: Trafficked) -> str:
    return f"{file.profile.name}-{file.ratio.replace(':', 'x')}"


def _video_id(file: Trafficked) -> str:
    return f"<VIDEO_ID of {file.ad_name}>"


# --- Google: one responsive ad holds every shape, and the placement picks ---


def google_assets(files: Sequence[Trafficked]) -> dict[str, Any]:
    """Video assets and Demand Gen responsive ads. Assets have ids below zero, so that one request may create it all."""
    assets: list[dict[str, Any]] = []
    ads, unused = [], []
    for group in _by_ad(file for file in files if "google" in file.profile.platforms):
        chosen: dict[str, Trafficked] = {}
        for file in sorted(group, key=lambda f: len(f.profile.platforms)):
            if file.profile.maximum_seconds is not None and file.profile.maximum_seconds <= BUMPER_SECONDS:
                unused.append({"file": file.file, "why": "a bumper is booked in a video campaign, not in Demand Gen"})
            elif file.ratio in chosen:
                unused.append({"file": file.file, "why": f"the ad has {chosen[file.ratio].file} in this ratio"})
            else:
                chosen[file.ratio] = file
        if not chosen:
            continue
        names = {}
        for ratio, file in chosen.items():
            names[ratio] = f"customers/<CUSTOMER_ID>/assets/{-1 - len(assets)}"
            assets.append(_google_asset(file, names[ratio]))
        ads.append(_google_ad(next(iter(chosen.values())), names))
    return {"schema": "google-assets/1", "source": GOOGLE_SOURCE, "assets": assets, "ads": ads, "unused": unused}


BUMPER_SECONDS = 6


def _google_asset(file: Trafficked, name: str) -> dict[str, Any]:
    asset = {"resource_name": name, "name": file.ad_name, "type": "YOUTUBE_VIDEO"}
    video = {"youtube_video_id": f"<YOUTUBE_VIDEO_ID of {file.ad_name}>"}
    return {"asset": {**asset, "youtube_video_asset": video}, "ratio": file.ratio, **_file(file)}


def _google_ad(first: Trafficked, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": first.ad,
        "final_urls": [first.landing_url or "<LANDING_URL>"],
        "demand_gen_video_responsive_ad": {
            "videos": [{"asset": name} for name in names.values()],
            "headlines": [{"text": "<HEADLINE>"}],
            "long_headlines": [{"text": "<LONG_HEADLINE>"}],
            "descriptions": [{"text": "<DESCRIPTION>"}],
            "business_name": {"text": "<BUSINESS_NAME>"},
            "logo_images": [{"asset": "<LOGO_ASSET>"}],
            "call_to_actions": [{"asset": "<CALL_TO_ACTION_ASSET>"}],
        },
        "by_ratio": dict(names),
    }


def _file(file: Trafficked) -> dict[str, Any]:
    told = {"file": file.file, "sha256": file.sha256, "seconds": round(float(file.seconds), 3)}
    flags = {name: value for name, value in disclosure_flags(file).items() if value}
    return {**told, "disclosure": flags, **({"note": ANIMATIC} if file.animatic else {})}


def _by_ad(files: Iterable[Trafficked]) -> Iterator[list[Trafficked]]:
    groups: dict[Group, list[Trafficked]] = {}
    for file in files:
        groups.setdefault(file.group, []).append(file)
    yield from groups.values()
