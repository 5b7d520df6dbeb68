"""Threads that take turns at every operation on a store, in an order that is given: races that can be repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from infra.storage.base import ObjectInfo, ObjectStore


class Turns:
    """Each actor runs until its next operation, then another is chosen: `order` says which, by number among those that
    are still there; when it is used up, the first of them goes on."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = list(order)
        self._may_go: dict[int, threading.Semaphore] = {}
        self._arrived = threading.Semaphore(0)
        self._here = threading.local()
        self._ended: set[int] = set()
        self._errors: list[BaseException] = []

    def run(self, *actors: Callable[[], object]) -> None:
        threads = [threading.Thread(target=self._act, args=(n, actor), daemon=True) for n, actor in enumerate(actors)]
        self._may_go = {n: threading.Semaphore(0) for n in range(len(actors))}
        for thread in threads:
            thread.start()
            assert self._arrived.acquire(timeout=30)
        while alive := [n for n in range(len(actors)) if n not in self._ended]:
            chosen = alive[self._order.pop(0) % len(alive)] if self._order else alive[0]
            # who waits for another must not be the only one that is ever chosen
            self._order = self._order or list(range(len(alive))) * 4
            self._may_go[chosen].release()
            assert self._arrived.acquire(timeout=30), "an actor hangs"
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _act(self, number: int, actor: Callable[[], object]) -> None:
        self._here.number = number
        try:
            self.gate()
            actor()
        except BaseException as error:  # noqa: BLE001 - raised where the test sees it
            self._errors.append(error)
        finally:
            self._ended.add(number)
            self._arrived.release()

    def gate(self) -> None:
        """Waits for this thread's turn; nothing in a thread that is no actor's."""
        number: int | None = getattr(self._here, "number", None)
        if number is not None:
            self._arrived.release()
            self._may_go[number].acquire()


class TurningStore:
    """A store at whose every operation the actors take turns."""

    def __init__(self, inner: ObjectStore, turns: Turns) -> None:
        self.url = inner.url
        self._inner = inner
        self._turns = turns

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        self._turns.gate()
        return iter([*self._inner.list(prefix, start_after=start_after)])

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._inner, name)

        def act(*arguments: Any, **options: Any) -> Any:
            self._turns.gate()
            return operation(*arguments, **options)

        return act
