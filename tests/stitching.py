"""Films put together by the real tasks and steps, each step in this process, under the keys that it would have."""

from __future__ import annotations

import importlib
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from infra.blobs import blob_file, put_blob
from infra.media.steps import STEPS
from infra.storage.base import ObjectStore
from infra.storage.folder import FolderStore
from manifests.catalogue import Profile
from manifests.digest import step_key
from manifests.journal import BlobRef, StepResult
from manifests.ratecard import load_profiles
from manifests.sections import Fade, Span, idr_frames
from tasks.conform import conform
from tasks.stitch import Clip, Overlay, clip_of, note_sections, stitch


def small_profile(width: int = 320, height: int = 180, rate: str = "24", **video: Any) -> Profile:
    profile = load_profiles()["youtube-instream"]
    settings = profile.video.model_copy(update={"preset": "veryfast", "crf": 17} | video)
    return profile.model_copy(update={"sizes": {"16:9": (width, height)}, "rate": rate, "video": settings})


class Room:
    """A cutting room in one folder. `made` and `kept` count steps by name, as a run does."""

    def __init__(self, folder: Path, profile: Profile | None = None) -> None:
        self.store: ObjectStore = FolderStore(folder / "store")
        self.profile = profile or small_profile()
        self.made: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self._folder = folder
        self._results: dict[str, StepResult] = {}
        self._production: Any = SimpleNamespace(steps=self, shown={})

    @property
    def asked_for(self) -> Counter[str]:
        return self.made + self.kept

    def forget_counts(self) -> None:
        self.made.clear()
        self.kept.clear()

    async def run(self, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef]) -> StepResult:
        key = step_key(name, STEPS[name], params, {k: v.sha256 for k, v in inputs.items()})
        if key in self._results:
            self.kept[name] += 1
            return self._results[key]
        facts, blobs = self._perform(name, params, inputs)
        self.made[name] += 1
        at: Any = "2026-11-21T12:00:00Z"
        self._results[key] = StepResult(
            key=key, name=name, version=STEPS[name], facts=facts, files=blobs, cpu_seconds=0, at=at
        )
        return self._results[key]

    def _perform(
        self, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef]
    ) -> tuple[Mapping[str, Any], Mapping[str, BlobRef]]:
        out = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))
        module = importlib.import_module(f"infra.media.{name}")
        files = {k: self.file(v) for k, v in inputs.items()}
        facts = module.run(module.Params.model_validate(params), files, out)
        return facts, {path.name: put_blob(self.store, "tmp", path, "video/mp4") for path in out.iterdir()}

    def file(self, blob: BlobRef) -> Path:
        return blob_file(self.store, blob, self._folder / "read")

    def keep(self, path: Path) -> BlobRef:
        return put_blob(self.store, "tmp", path, "video/mp4")

    async def conform(
        self, take: Path, span: Span, joins: Sequence[Fade] = (), words: Sequence[Span] = (), **how: Any
    ) -> Clip:
        wanted = {"in_frame": 0, "frames": span.frames, "idr": idr_frames(span, joins, words), "ceiling": "2160p"}
        function: Any = conform
        made = await function.fn(
            "shot", self._production, self.keep(take), profile=self.profile, ratio="16:9", **(wanted | how)
        )
        return clip_of(made, span.start)

    async def stitch(self, clips: Sequence[Clip], joins: Sequence[Fade] = (), overlays: Sequence[Overlay] = ()) -> Path:
        function: Any = stitch
        made = await function.fn("film", self._production, **self._told(clips, joins, overlays))
        return self.file(made.files["picture.mp4"])

    def note_sections(self, clips: Sequence[Clip], joins: Sequence[Fade], overlays: Sequence[Overlay]) -> None:
        note_sections(self._production, **self._told(clips, joins, overlays))

    def take_notes(self) -> dict[str, str]:
        """The sections that were shown since it was asked last: the step of each, by its key."""
        told, self._production.shown = self._production.shown, {}
        return dict(told)

    def _told(self, clips: Sequence[Clip], joins: Sequence[Fade], overlays: Sequence[Overlay]) -> dict[str, Any]:
        frames = max(c.start + c.frames for c in clips)
        told = {"clips": clips, "joins": joins, "overlays": overlays, "frames": frames}
        return told | {"profile": self.profile, "ratio": "16:9"}
