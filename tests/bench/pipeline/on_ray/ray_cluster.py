"""A Ray cluster of this machine alone: each node is a group of processes, which may be killed; skips without Ray."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.processes import STDOUT, Process

_BEGINNING_SECONDS = 120
_OBJECTS = 80_000_000  # bytes, the least that Ray takes


class RayCluster:
    """A head without a CPU for tasks, and nodes with one each; what is in `environment` is known to all tasks.

    Ray listens to the host's own address, at ports that nobody else has. Its files lie in a folder with a short name:
    it makes sockets there.
    """

    def __init__(self, nodes: int, **environment: str) -> None:
        pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
        self.folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self._environment = {**os.environ, **environment, "RAY_USAGE_STATS_ENABLED": "0"}
        self._begun = 0
        self._running: list[Process] = []
        try:
            port, client = _free_ports(2)
            self.address = f"{_own_address()}:{port}"
            self._begin("--head", f"--port={port}", f"--ray-client-server-port={client}", "--num-cpus=0",
                        "--include-dashboard=false")  # fmt: skip
            self.nodes = [self.add_node() for _node in range(nodes)]
        except BaseException:
            self.close()
            raise

    def add_node(self) -> Process:
        """One more node, with one CPU."""
        return self._begin(f"--address={self.address}", "--num-cpus=1")

    def remove_node(self, node: Process) -> None:
        """Kill all processes of a node."""
        self._running.remove(node)
        node.kill_all()

    def logs(self) -> str:
        """All that Ray has logged."""
        files = (path for path in self.folder.glob("*/session_2*/logs/**/*") if path.is_file())
        return "\n".join(path.read_text(errors="replace") for path in files)

    def close(self) -> None:
        """End all processes, and remove their files."""
        for process in reversed(self._running):
            process.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, *arguments: str) -> Process:
        self._begun += 1
        # nodes of one machine unpack the same code: in one folder they would remove it under each other
        folder = self.folder / str(self._begun)
        folder.mkdir()
        # a file and no pipe: it is inherited by all that Ray starts, and would have no end
        file = folder / "output"
        program = str(Path(sys.executable).with_name("ray"))
        command = [program, "start", "--block", "--disable-usage-stats", *arguments, f"--temp-dir={folder}",
                   f"--object-store-memory={_OBJECTS}"]  # fmt: skip
        with file.open("wb") as output:
            process = Process(command, shared=True, env=self._environment, stdout=output, stderr=STDOUT)
        self._running.append(process)
        deadline = time.monotonic() + _BEGINNING_SECONDS
        while "Ray runtime started" not in (text := file.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"a node of Ray did not start: {text}")
            time.sleep(0.1)
        return process


def _own_address() -> str:
    """The address of this machine by which it would call others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("Ray needs a network interface beside loopback")
        address: str = probe.getsockname()[0]
        return address


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _port in range(count)]
    for one in sockets:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
