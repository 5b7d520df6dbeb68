"""What each process of a race does. A module of its own, because a new process has to import it.

python -m conformance.racers FOLDER NUMBER create|count|churn
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from infra import errors
from infra.storage import open_store
from infra.storage.base import ObjectStore

CREATES, COUNTS, CHURNS = 60, 25, 40


def create(store: ObjectStore, number: int) -> int:
    """How many of the contested keys this process won."""
    won = 0
    for key in range(CREATES):
        try:
            store.put_bytes(f"race/{key}", b"%d " % number * 1000, if_absent=True)
        except errors.PreconditionFailedError:
            continue
        won += 1
    return won


def count(store: ObjectStore, number: int) -> int:
    """How often another process came between."""
    lost, done = 0, 0
    while done < COUNTS:
        data, version = store.get_bytes("counter")
        try:
            store.put_bytes("counter", b"%d" % (int(data) + 1), if_match=version.tag)
        except errors.PreconditionFailedError:
            lost += 1
            continue
        done += 1
    return lost


def churn(store: ObjectStore, number: int) -> int:
    """Writes and deletes in a folder that others empty at the same time; 0 when every own key came and went."""
    for turn in range(CHURNS):
        key = f"deep/er/{turn % 3}/{number}"
        store.put_bytes(key, b"x", if_absent=bool(turn % 2))
        store.get_bytes(key)
        store.delete(key)
    return len([i for i in store.list("deep/er/") if i.key.endswith(f"/{number}")])


def main() -> None:
    folder, number, act = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    (folder / f"ready-{number}").touch()
    while not (folder / "go").exists():
        time.sleep(0.002)
    store = open_store("store", folder)
    print({"create": create, "count": count, "churn": churn}[act](store, number))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
