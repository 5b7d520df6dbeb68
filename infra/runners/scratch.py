"""A worker's folder of downloaded inputs: kept between steps, and bounded. Belongs to one event loop."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from infra.runners.base import StepJob

SCRATCH_BYTES = 8_000_000_000


class Scratch:
    """`limit`: bytes of what no step uses just now; what runs comes on top. Blobs lie here under their digests
    (`infra.blobs.blob_file`); of a store that is a folder, nothing does."""

    def __init__(self, folder: Path, limit: int = SCRATCH_BYTES) -> None:
        self.folder = folder
        self._limit = limit
        self._used: Counter[str] = Counter()

    @contextlib.contextmanager
    def hold(self, job: StepJob) -> Iterator[None]:
        """Keeps the inputs of the job while it runs; afterwards drops what was longest unused."""
        names = {ref.sha256 for ref in job.inputs.values()}
        self._used.update(names)
        try:
            yield
        finally:
            self._give_back(names)
            self._trim()

    def _give_back(self, names: Collection[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.folder / name)
            self._used[name] -= 1
            if not self._used[name]:
                del self._used[name]

    def _trim(self) -> None:
        """Only what has the name of a whole blob: others are just being downloaded, or are steps' own folders."""
        unused = [path for path in self.folder.glob("?" * 64) if path.name not in self._used]
        kept = sorted((stat.st_mtime_ns, stat.st_size, path) for path in unused if (stat := path.stat()))
        total = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if total <= self._limit:
                return
            path.unlink(missing_ok=True)
            total -= size
