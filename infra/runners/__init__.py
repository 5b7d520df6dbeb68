"""Choosing where media steps are made, by what a person configured. A cluster's packages are imported only for one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from infra.clock import Clock
from infra.errors import ClusterError
from infra.runners.base import MediaRunner
from infra.runners.local import LocalRunner, Perform, perform_in_child
from infra.settings import RunnerName
from infra.storage.base import ObjectStore

__all__ = ["open_runner", "require_runner"]

ANSWER_SECONDS = 10
DASK_PORT = 8786


@contextlib.asynccontextmanager
async def open_runner(
    name: RunnerName,
    store: ObjectStore,
    clock: Clock,
    work: Path,
    jobs: int,
    *,
    address: str | None = None,
    perform: Perform = perform_in_child,
) -> AsyncIterator[MediaRunner]:
    """`jobs`: at once on this machine. `perform`: how a step is performed here, where it is made here."""
    if name == "local":
        yield LocalRunner(store, work, jobs, perform)
        return
    from infra.runners.cluster import open_cluster

    async with open_cluster(store, clock, work, address=address, jobs=jobs) as runner:
        yield runner


def require_runner(name: RunnerName, address: str | None) -> None:
    """Raises ClusterError where nothing can be made: asked before anything is paid. Starts nothing, imports nothing."""
    if name == "local":
        return
    from infra.runners.cluster import require_distributed

    require_distributed()
    if address is None:
        return
    url = urlsplit(address if "://" in address else f"tcp://{address}")
    if url.scheme in ("http", "https"):
        remedy = f"SHOTRUNNER_DASK_ADDRESS is tcp://{url.hostname}:{DASK_PORT}; http is for its dashboard."
        raise ClusterError(f"{address} is no address of a Dask scheduler", remedy=remedy)
    if url.scheme not in ("tcp", "tls"):  # one of Dask's many others: it is joined later, or it is not
        return
    try:
        socket.create_connection((url.hostname or "", url.port or DASK_PORT), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address}: {error}",
            remedy="Is SHOTRUNNER_DASK_ADDRESS right? Start one: `dask scheduler`.",
        ) from error
