"""Machines apart, on this one: a network namespace each, with a disk of its own. What they reach is given by port."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from prefect_servers import Child, Worker, clean

# In a namespace of its own, /proc/net and the wire differ, and nothing but one neighbour can be reached.
_NETWORK = "10.77.{number}"
# The project and the host's own folder are empty disks in there, whatever lies below them elsewhere.
_DISKS = 'for place in "$1" "$2"; do mount -t tmpfs tmpfs "$place"; done; mkdir -p "$1/home" "$1/tmp" "$1/cwd"; ' \
         'cd "$1/cwd"; shift 2; exec "$@"'  # fmt: skip


def why_no_hosts() -> str:
    """Why this machine has no room for others; empty when it has."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    probe = f"shot-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces are refused: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=False)
    return ""


class Host:
    """`ports` of this machine's loopback are the same ports of the host's own; there is no way to anywhere else."""

    def __init__(self, number: int, folder: Path, ports: Sequence[int], hidden: Path) -> None:
        self.name = f"shot-{os.getpid()}-{number}"
        self.folder, self._hidden = folder, hidden
        folder.mkdir()
        ours, theirs = f"s{os.getpid() % 10**6}h{number}", f"s{os.getpid() % 10**6}g{number}"
        self.net = net = _NETWORK.format(number=number)
        self._ports = ports
        self._ip("netns", "add", self.name)
        self._ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self.name)
        self._ip("address", "add", f"{net}.1/30", "dev", ours)
        self._ip("link", "set", ours, "up")
        for words in (("address", "add", f"{net}.2/30", "dev", theirs), ("link", "set", theirs, "up")):
            self._ip("-n", self.name, *words)
        self._ip("-n", self.name, "link", "set", "lo", "up")
        relay = [sys.executable, __file__, *map(str, ports)]
        self._relays = [
            Child([*relay, f"{net}.1", "127.0.0.1"], folder / "wire-out", clean()),
            Child([*self.enter(), *relay, "127.0.0.1", f"{net}.1"], folder / "wire-in", clean()),
        ]
        self.worker: HostWorker | None = None

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def enter(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def start_worker(self, api: str, **env: str) -> HostWorker:
        self.worker = HostWorker(self, api, self._hidden, **env)
        return self.worker

    def reaches(self, url: str) -> bool:
        return (
            subprocess.run([*self.enter(), "curl", "-s", "-m", "3", "-o", os.devnull, url], check=False).returncode == 0
        )

    def connects_to(self, other: Host | None) -> bool:
        """To another host, or this machine at the other end of the wire."""
        to = f"{other.net}.2" if other is not None else f"{self.net}.1"
        probe = f"import socket; s = socket.create_connection(('{to}', {self._ports[0]}), 2)"
        words = [*self.enter(), sys.executable, "-c", probe]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def gone(self) -> None:
        """Its wires cut and everything on it ended."""
        if self.worker is not None:
            self.worker.stop(signal.SIGKILL)
        for relay in self._relays:
            relay.stop(signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


class HostWorker(Worker):
    """A process worker on a host."""

    def __init__(self, host: Host, api: str, hidden: Path, **env: str) -> None:
        self.name, self.folder = host.name, host.folder
        words = [*host.enter(), "unshare", "--mount", "sh", "-ec", _DISKS, "sh", host.folder, hidden]
        command = ["-m", "prefect", "worker", "start", "--pool", "shotrunner", "--type", "process", "--name", host.name]
        Child.__init__(
            self,
            [*words, sys.executable, *command],
            host.folder / "log",
            clean(
                PREFECT_HOME=str(host.folder / "home"), TMPDIR=str(host.folder / "tmp"), PREFECT_API_URL=api,
                PREFECT_WORKER_QUERY_SECONDS="2", PREFECT_SERVER_ANALYTICS_ENABLED="false", **env,
            ),
        )  # fmt: skip


# --- the wire: `python hosts.py PORT… FROM TO` ---


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


async def _carry(listen: str, to: str, ports: Sequence[int]) -> None:
    async def serve(port: int) -> None:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection(to, port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_pour(reader, back), _pour(there, writer))

        server = await asyncio.start_server(one, listen, port)
        await server.serve_forever()

    await asyncio.gather(*(serve(port) for port in ports))


if __name__ == "__main__":
    *said, source, target = sys.argv[1:]
    asyncio.run(_carry(source, target, [int(port) for port in said]))
