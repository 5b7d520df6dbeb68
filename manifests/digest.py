"""The identity of a request: canonical JSON and sha256, take keys, segment keys, step keys and seeds.

Nothing else may enter a key: no campaign, shot or scene name, no date, no tool version (design: everything paid for
has a key). Changing anything here changes keys, and a changed key is bought again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. Raises ValueError for NaN, infinities and keys that are not text.

    5 and 5.0 are two texts, so two identities: requests carry whole numbers where the vendor does.
    """
    return _ENCODER.encode(_plain(value)).encode()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    """The same in dicts and lists, which is all that the encoder takes; refuses what has no single form."""
    if isinstance(value, str):  # most are, and whether it is a mapping takes long to say
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} has no canonical form")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"key {key!r} is not text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def digest_bytes(data: bytes) -> str:
    """sha256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: object) -> str:
    return digest_bytes(canonical_json(value))


def derive_seed(base: int, take_number: int) -> int:
    """Seed of one take: 32 bits. No shot name in it, or a 30 and its 15 would buy the same picture twice."""
    return int.from_bytes(hashlib.sha256(canonical_json([base, take_number])).digest()[:4], "big")


def take_key(service: str, request: Mapping[str, object], take_number: int) -> str:
    """Key of one purchase. `request` holds the digest of every media input in the place of its bytes."""
    return digest_json({"service": service, "request": request, "take": take_number})


def segment_key(service: str, request: Mapping[str, object]) -> str:
    """Take key without seed and take number: what a circled take is recorded under, so that variants share it."""
    body = request.get("body")
    bare = {k: v for k, v in body.items() if k != "seed"} if isinstance(body, Mapping) else body
    return digest_json({"service": service, "segment": {**request, "body": bare}})


def step_key(name: str, version: int, params: Mapping[str, object], inputs: Mapping[str, object]) -> str:
    """Key of one production step: name, version, parameters and the digests of its inputs."""
    return digest_json({"step": name, "version": version, "params": params, "inputs": inputs})
