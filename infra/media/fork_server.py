"""The process from which steps are forked: what they import, it has imported, and a fork costs a hundredth of that.

One thread, so that a fork is safe; it touches no picture itself. Jobs come over a socket, each with a socket of its
own: as long as the other end of that is open the step is wanted, and when it closes the step is killed. So no step
outlives whoever asked for it, however that one died.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from infra.media.job import POLITENESS, die_with, import_step, perform_job

PRELOADED = "section"  # NumPy, PyAV, pydantic, as most need. Other steps are imported when they are first asked for
IDLE_SECONDS = 30.0  # then it ends; whoever has another step starts it again
BEGUN = b"+"  # told before the exit status. A job whose socket closes without it was never started
SET_NAME = 15  # prctl's number
MOST_BYTES = 8192  # of a job: a path, at most twice the kernel's limit


def serve(number: int) -> int:
    """Until the socket of that number has closed and all steps have ended."""
    os.nice(POLITENESS)
    import_step(PRELOADED)
    return _Server(socket.socket(fileno=number)).run()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._jobs: dict[int, socket.socket] = {}  # by the process of each
        self._selector = selectors.DefaultSelector()
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake, control):
            end.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._open = True

    def run(self) -> int:
        while self._open or self._jobs:
            ready = self._selector.select(None if self._jobs else IDLE_SECONDS)
            if not ready:
                return 0
            for key, _ in ready:
                if key.fileobj is self._control:
                    self._take()
                elif key.fileobj is self._woken:
                    self._reap()
                elif key.data in self._jobs:  # else it has just ended by itself
                    self._kill(key.data)
        return 0

    def _take(self) -> None:
        told, numbers, _, _ = socket.recv_fds(self._control, MOST_BYTES, 1)
        if not told:
            self._selector.unregister(self._control)
            self._open = False
            return
        job = socket.socket(fileno=numbers[0])
        path = Path(os.fsdecode(told))
        with suppress(Exception):  # the step's own process meets it again, and tells
            import_step(json.loads(path.read_text())["step"])
        if sum(1 for _ in Path("/proc/self/task").iterdir()) > 1:  # a library has started one: a fork is not safe
            job.close()
            return
        gc.freeze()  # so that looking for garbage copies no page in the child
        own = os.getpid()
        process = os.fork()
        if process == 0:
            self._become(path, own, job)
        with suppress(OSError):  # the child says so too: whoever is first
            os.setpgid(process, process)
        self._jobs[process] = job
        self._selector.register(job, selectors.EVENT_READ, process)
        _tell(job, BEGUN)

    def _become(self, path: Path, server: int, job: socket.socket) -> None:
        """In the child, which never returns."""
        status = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._control, self._woken, self._wake, job, *self._jobs.values()):
                end.close()
            self._selector.close()
            die_with(server)
            with suppress(OSError):  # a full disk: what it says is lost, its error is not
                os.dup2(os.open(path.with_name("_stderr"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            told = json.loads(path.read_text())
            ctypes.CDLL(None).prctl(SET_NAME, told["step"].encode())
            os.chdir(told["folder"])
            os.sched_setaffinity(0, told["cores"])
            status = perform_job(path)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - as an interpreter does at its outermost
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _kill(self, process: int) -> None:
        """Not reaped yet, so the number is still its own."""
        self._selector.unregister(self._jobs[process])
        for kill in (os.killpg, os.kill):
            with suppress(OSError):
                kill(process, signal.SIGKILL)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(512):
                pass
        for process in list(self._jobs):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                job = self._jobs.pop(process)
                with suppress(KeyError):  # nobody waits any more
                    self._selector.unregister(job)
                _tell(job, str(os.waitstatus_to_exitcode(status)).encode())
                job.close()


def _tell(job: socket.socket, words: bytes) -> None:
    with suppress(OSError):  # whoever asked is gone
        job.send(words)
