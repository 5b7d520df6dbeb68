"""Every object key, file name, address, slate and run name: made here and parsed here. An f-string with a slash in it
anywhere else is a mistake.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass

LAYOUT = "v1"
LONGEST_VALUES = 60  # of the part of a key that tells a variant
_HEX64 = re.compile(r"[0-9a-f]{64}\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")
_FILE_NAME = re.compile(r"(?!\.)[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}\Z")
_WHAT = r"(?:take|still|line|effect)-[0-9]+(?:/|\Z)"
# A last part like `take-2` is always the number of a take, so `pour/take-2` is shot `pour`, never spot `pour`
_ADDRESS = re.compile(
    rf"(?:(?P<spot>[a-z0-9][a-z0-9-]*)/(?!{_WHAT}))?"
    r"(?P<shot>[a-z0-9][a-z0-9_-]*)(?:@(?P<axes>[^/.\s]+))?(?:\.(?P<segment>0|[1-9][0-9]*))?"
    r"(?:/(?P<what>take|still|line|effect)-(?P<number>[1-9][0-9]*))?\Z"
)

BLOB_KINDS = ("ref", "take", "tmp", "audio", "out")


def _digest(value: str) -> str:
    if not _HEX64.match(value):
        raise ValueError(f"{value!r} is not a sha256 in lower-case hex")
    return value


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError(f"{value!r} cannot be part of a key: use lower-case letters, digits, '.', '_' and '-'")
    return value


def _file(value: str) -> str:
    if not _FILE_NAME.match(value):
        raise ValueError(f"{value!r} is not a file name: at most 200 characters, no '/', no leading '.'")
    return value


# --- objects in the store (storage sheet, layout) ---


def capabilities_key() -> str:
    """What an examination found of the store. The dot keeps it apart from the layout's names."""
    return f"{LAYOUT}/.capabilities.json"


def collection_prefix() -> str:
    return f"{LAYOUT}/gc/"


def collection_key(epoch: str) -> str:
    """The list of what one collection found that nothing refers to."""
    return f"{collection_prefix()}{_name(epoch)}.json"


def blobs_prefix() -> str:
    """Of all blobs of all classes."""
    return f"{LAYOUT}/blobs/"


def out_prefix() -> str:
    return f"{LAYOUT}/out/"


def blob_key(kind: str, sha256: str) -> str:
    if kind not in BLOB_KINDS:
        raise ValueError(f"{kind!r} is not a class of blob: {', '.join(BLOB_KINDS)}")
    return f"{LAYOUT}/blobs/{kind}/sha256/{_digest(sha256)[:2]}/{sha256}"


def layout_prefix() -> str:
    """Of everything in a store."""
    return f"{LAYOUT}/"


def blob_prefix(kind: str) -> str:
    """Of all blobs of one class: what lifecycle rules and policies go by."""
    return blob_key(kind, "0" * 64).partition("sha256")[0]


def parse_blob_key(key: str) -> tuple[str, str]:
    """(kind, sha256); raises ValueError for any other key."""
    match = re.fullmatch(rf"{LAYOUT}/blobs/([a-z]+)/sha256/([0-9a-f]{{2}})/([0-9a-f]{{64}})", key)
    if match is None or match[1] not in BLOB_KINDS or not match[3].startswith(match[2]):
        raise ValueError(f"{key!r} is not the key of a blob")
    return match[1], match[3]


def manifest_key(campaign: str, manifest_sha: str) -> str:
    return f"{LAYOUT}/manifests/{_name(campaign)}/{_digest(manifest_sha)}.yaml"


def lock_key(campaign: str, manifest_sha: str) -> str:
    return f"{LAYOUT}/manifests/{_name(campaign)}/{_digest(manifest_sha)}.lock.json"


def plan_key(plan_sha: str) -> str:
    return f"{plan_prefix()}{_digest(plan_sha)}.json"


def plan_prefix() -> str:
    return f"{LAYOUT}/plans/"


def bundle_key(sha256: str) -> str:
    return f"{bundle_prefix()}{_digest(sha256)}.json"


def bundle_prefix() -> str:
    """Of the files of schedules, by digest. No schedule has a dot in its name."""
    return f"{LAYOUT}/schedules/sha256.bundles/"


def take_root() -> str:
    """The prefix of every record of every take."""
    return f"{LAYOUT}/takes/"


def take_prefix(key: str) -> str:
    return f"{LAYOUT}/takes/{_digest(key)}/"


def take_record_key(key: str, record: str, attempt: int | None = None) -> str:
    """`record`: intent, task, refused, released or failed with an attempt from 1, or result without."""
    if record == "result":
        return f"{take_prefix(key)}result.json"
    if record not in ("intent", "task", "refused", "released", "failed") or attempt is None or attempt < 1:
        raise ValueError(f"no such record: {record!r}, attempt {attempt!r}")
    return f"{take_prefix(key)}{record}-{attempt}.json"


def parse_take_record_key(key: str) -> tuple[str, str, int | None]:
    """(take key, record, attempt)."""
    pattern = rf"{LAYOUT}/takes/([0-9a-f]{{64}})/(result|intent|task|refused|released|failed)(?:-([1-9][0-9]*))?\.json"
    match = re.fullmatch(pattern, key)
    if match is None or (match[2] == "result") != (match[3] is None):
        raise ValueError(f"{key!r} is not the key of a take's record")
    return match[1], match[2], int(match[3]) if match[3] else None


def selection_key(segment_key: str) -> str:
    return f"{LAYOUT}/selections/{_digest(segment_key)}.json"


def decision_key(campaign: str, sha256: str) -> str:
    return f"{decision_prefix(campaign)}{_digest(sha256)}.json"


def acknowledgement_key(service: str, sha256: str) -> str:
    return f"{acknowledgement_prefix(service)}{_digest(sha256)}.json"


def acknowledgement_prefix(service: str) -> str:
    """Of spending that a person answered for: an account's, so no campaign's. No campaign has a dot in its name."""
    return f"{LAYOUT}/decisions/{_name(f'spend.{service}')}/"


def parse_ledger_key(key: str) -> str:
    """The campaign that a ledger entry is of."""
    match = re.fullmatch(rf"{LAYOUT}/ledger/([^/]+)/[0-9a-f]{{64}}-[1-9][0-9]*-(?:reserve|settle|release)\.json", key)
    if match is None:
        raise ValueError(f"{key!r} is not the key of a ledger entry")
    return match[1]


def decision_prefix(campaign: str) -> str:
    return f"{LAYOUT}/decisions/{_name(campaign)}/"


def step_record_key(key: str) -> str:
    return f"{LAYOUT}/steps/{_digest(key)}/result.json"


def deliverable_index_key(campaign: str, variant: str, rev: str) -> str:
    return f"{LAYOUT}/out/{_name(campaign)}/{_name(variant)}/{_name(rev)}/index.json"


def deliverable_key(campaign: str, variant: str, rev: str, file_name: str) -> str:
    return f"{LAYOUT}/out/{_name(campaign)}/{_name(variant)}/{_name(rev)}/{_file(file_name)}"


def ledgers_prefix() -> str:
    """Of all campaigns."""
    return f"{LAYOUT}/ledger/"


def ledger_prefix(campaign: str) -> str:
    return f"{ledgers_prefix()}{_name(campaign)}/"


def ledger_key(campaign: str, key: str, attempt: int, kind: str) -> str:
    if kind not in ("reserve", "settle", "release") or attempt < 1:
        raise ValueError(f"no such ledger entry: {kind!r}, attempt {attempt!r}")
    return f"{ledger_prefix(campaign)}{_digest(key)}-{attempt}-{kind}.json"


def budget_key(campaign: str, purse: str) -> str:
    if purse not in ("play", "paid"):
        raise ValueError(f"{purse!r} is no purse: play or paid")
    return f"{LAYOUT}/budget/{_name(campaign)}/{purse}.json"


def lease_prefix() -> str:
    return f"{LAYOUT}/leases/"


def lease_key(name: str) -> str:
    return f"{lease_prefix()}{_name(name)}.json"


def run_key(run_id: str, file_name: str) -> str:
    return f"{LAYOUT}/runs/{_name(run_id)}/{_file(file_name)}"


def start_prefix(schedule: str) -> str:
    """Of every start of a schedule."""
    return f"{LAYOUT}/schedules/{_name(schedule)}/"


def start_key(schedule: str, instant: dt.datetime) -> str:
    """One record for one instant, whatever zone it is told in: two processes cannot both begin it."""
    utc = instant.astimezone(dt.UTC)
    if instant.tzinfo is None or utc.second or utc.microsecond:
        raise ValueError(f"{instant!r} is no whole minute with a zone")
    return f"{start_prefix(schedule)}{utc:%Y%m%dT%H%MZ}.json"


def attempt_prefix(schedule: str, instant: dt.datetime) -> str:
    """Of the tries of one start. Beside the starts, not among them: no schedule has a dot in its name."""
    return _beside_starts(schedule, "attempts", instant)


def attempt_key(schedule: str, instant: dt.datetime, number: int) -> str:
    if number < 1:
        raise ValueError(f"tries are counted from 1, not {number}")
    return f"{attempt_prefix(schedule, instant)}{number:05d}.json"


def settled_prefix(schedule: str, instant: dt.datetime) -> str:
    """Of all that one start was settled with after it had begun; beside the starts, as its tries are."""
    return _beside_starts(schedule, "settled", instant)


def settled_key(schedule: str, instant: dt.datetime, number: int) -> str:
    if number < 2:
        raise ValueError(f"what a start begins with is in its own record: {number} is not 2 or more")
    return f"{settled_prefix(schedule, instant)}{number:05d}.json"


def _beside_starts(schedule: str, what: str, instant: dt.datetime) -> str:
    return f"{LAYOUT}/schedules/{_name(f'{schedule}.{what}')}/{instant.astimezone(dt.UTC):%Y%m%dT%H%MZ}/"


def parse_start_key(key: str) -> tuple[str, dt.datetime]:
    """(schedule, instant)."""
    match = re.fullmatch(rf"{LAYOUT}/schedules/([^/]+)/([0-9]{{8}}T[0-9]{{4}})Z\.json", key)
    if match is None or not _NAME.match(match[1]):
        raise ValueError(f"{key!r} is not the key of a start")
    return match[1], dt.datetime.strptime(match[2], "%Y%m%dT%H%M").replace(tzinfo=dt.UTC)


def staging_key(run_id: str, name: str) -> str:
    return f"{LAYOUT}/staging/{_name(run_id)}/{_name(name)}"


def staging_prefix() -> str:
    """Of bytes on their way, of every run."""
    return f"{LAYOUT}/staging/"


def run_prefix(run_id: str = "") -> str:
    return f"{LAYOUT}/runs/{_name(run_id)}/" if run_id else f"{LAYOUT}/runs/"


# --- addresses: how people and commands name a shot, a segment or a take ---


@dataclass(frozen=True)
class Address:
    """`[spot/]shot[@axis values][.segment][/take-N]`. `what` is take, still, line or effect."""

    shot: str
    spot: str | None = None
    axes: str | None = None
    segment: int | None = None
    what: str | None = None
    number: int | None = None

    def __str__(self) -> str:
        text = f"{self.spot}/" if self.spot else ""
        text += self.shot
        if self.axes:
            text += f"@{self.axes}"
        if self.segment is not None:
            text += f".{self.segment}"
        if self.what:
            text += f"/{self.what}-{self.number}"
        return text


def parse_address(text: str) -> Address:
    """Raises ValueError with the form that is wanted."""
    match = _ADDRESS.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not an address: [spot/]shot[@values][.segment][/take-N]")
    number, segment = match["number"], match["segment"]
    return Address(
        shot=match["shot"],
        spot=match["spot"],
        axes=match["axes"],
        segment=int(segment) if segment else None,
        what=match["what"],
        number=int(number) if number else None,
    )


def segment_address(shot: str, segment: int) -> str:
    """Of one segment of a shot; segment 0 is the shot itself."""
    return f"{shot}.{segment}" if segment else shot


def shot_address(address: str) -> str:
    """The shot that an address is about, at its axis values: `pour@en` of `pour@en.2/take-1`. Raises ValueError."""
    found = parse_address(address)
    return str(Address(found.shot, found.spot, found.axes))


def slate(*parts: str) -> str:
    """Label of a take in names, runs and reports, at most 120 characters so that every list shows it whole."""
    text = " ".join(" ".join(parts).replace("/", " ").split())
    return text if len(text) <= 120 else text[:119] + "…"


# --- deliverables ---

DEFAULT_NAME = "{brand}_{campaign}_{ratio}_{duration}s_{profile}_v{version}"
MAX_NAME = 120  # what ad servers take (delivery sheet 3.3)


def variant_name(ratio: str, profile: str, *values: str) -> str:
    """A film's part of a key: `16x9-youtube-instream`, with the variant's values before it. Where those are long, a
    part of their digest stands for them."""
    text = "-".join(value for value in values if value and value != ratio)
    start = re.sub(r"[^a-z0-9._-]", "-", text.lower())
    if len(start) > LONGEST_VALUES:
        start = f"{start[: LONGEST_VALUES - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    end = f"{ratio.replace(':', 'x')}-{profile}"
    return _name(f"{start}-{end}" if start else end)
