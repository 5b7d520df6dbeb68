"""A real S3 server on loopback for tests: MiniStack, in an environment of its own because it pins another botocore."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from toolbox import InstallError, install_tools

__all__ = ["KEYS", "InstallError", "S3Server", "free_port", "install_server"]

KEYS = {"AWS_ACCESS_KEY_ID": "rootkey", "AWS_SECRET_ACCESS_KEY": "rootsecret", "AWS_REGION": "us-east-1"}


def install_server() -> Path:
    """The program. Raises InstallError."""
    return install_tools("ministack") / "ministack"


class S3Server:
    """Root keys may do everything; users made through IAM only what their policy says."""

    name = "MiniStack"
    # what not every server that speaks S3 does; of what it asks, `store doctor` has to find exactly these
    holds = frozenset(
        {
            "iam",
            "checks-sha256",
            "conditional-complete",
            "conditional-delete",
            "ranges",
            "links",
            "links-head",
            "trailers",
        }
    )

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to be root here."""
        return {**KEYS, "AWS_ENDPOINT_URL_S3": self.url}

    def start(self) -> None:
        for name in ("s3", "state", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            **KEYS,
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",  # its default is every interface
            "GATEWAY_PORT": str(self.port),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "s3"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._folder / "state"),
            "TMPDIR": str(self._folder / "tmp"),
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "false",
            "IOT_MTLS_ENABLED": "false",
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program], env=environment, stdout=log, stderr=subprocess.STDOUT)
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1):  # noqa: S310 - our loopback
                    return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"the S3 server did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """As a crash would; what it acknowledged is there after `start`."""
        self._process.kill()
        self._process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
