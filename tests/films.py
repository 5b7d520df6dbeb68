"""One spot out of a manifest, for tests that judge a single film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from manifests.campaign import load_campaign
from manifests.loaded import LoadedSpot


def load_spot(path: Path, overrides: Sequence[str] = ()) -> LoadedSpot:
    """The first film of a manifest; raises ManifestError with everything that is wrong in all of it."""
    return load_campaign(path, overrides).lead
