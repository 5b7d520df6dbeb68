"""Keys that were read never show in a log line of this process, whoever writes it: a last net, not a licence."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Any

_SHOWN = "[key]"
_SHORTEST = 6  # shorter ones would blank out ordinary words


class Masking:
    """Safe for threads. The first secret puts it between loggers and handlers: filters of a logger do not see what its
    children say."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._lock = threading.Lock()
        self._installed = False

    def add(self, secret: str) -> None:
        if len(secret) < _SHORTEST:
            return
        with self._lock:
            self._secrets.add(secret)
            if not self._installed:
                self._installed = True
                make = logging.getLogRecordFactory()
                logging.setLogRecordFactory(lambda *args, **kwargs: self._masked(make(*args, **kwargs)))

    def hide(self, text: str) -> str:
        for secret in tuple(self._secrets):
            text = text.replace(secret, _SHOWN)
        return text

    def _masked(self, record: logging.LogRecord) -> logging.LogRecord:
        said = _message_of(record)
        if (hidden := self.hide(said)) != said:
            record.msg, record.args = hidden, ()
        if record.exc_info and record.exc_info[0] is not None:
            told = "".join(traceback.format_exception(*record.exc_info))
            if (hidden := self.hide(told)) != told:
                record.msg, record.args = f"{_message_of(record)}\n{hidden}", ()
                record.exc_info = None
        return record


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit: the handler reports it with these words
        args: Any = record.args
        return f"{record.msg} {args!r}"


MASKING = Masking()  # one, as a process has one factory of log records
