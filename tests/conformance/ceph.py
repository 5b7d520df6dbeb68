"""Ceph radosgw on loopback for tests: an object store that is not ours and not made for tests. See scripts/ceph-s3."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Literal

from conformance.s3server import KEYS, InstallError, free_port

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "ceph-s3"


class CephServer:
    """Kept in memory it starts at once and forgets at its end; on a file it survives `kill`."""

    name = "Ceph"
    holds = frozenset({"durable", "ranges", "links", "links-end"})

    def __init__(self, folder: Path, *, kept: Literal["memstore", "bluestore"] = "memstore") -> None:
        self._folder = folder
        self._kept = kept
        self._made = False
        self.port = _three_free_ports()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to be root here."""
        return {**KEYS, "AWS_ENDPOINT_URL_S3": self.url}

    def start(self) -> None:
        self._call("start" if self._made else "init")
        self._made = True

    def kill(self) -> None:
        """As a crash would, all three daemons at once."""
        self._call("kill9")

    def _call(self, act: str) -> None:
        command = [str(_SCRIPT), act, str(self._folder), str(self.port), self._kept]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-1000:]}")


def install_ceph() -> None:
    done = subprocess.run([str(_SCRIPT), "install"], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise InstallError(done.stderr.strip()[-400:])


def _three_free_ports() -> int:
    for _ in range(100):
        port = free_port()
        if all(_is_free(port + n) for n in (1, 2)):
            return port
    raise RuntimeError("no three free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
