"""Debian's mosquitto as the broker of tests: with passwords, rights by topic, and TLS if wanted."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

PROGRAM = Path("/usr/sbin/mosquitto")
PASSWORDS = {"baro": "Baro-1234", "edge": "Edge-1234"}
RIGHTS = """
user baro
topic read #
topic read $SYS/#
topic write spBv1.0/STATE/#
topic write spBv1.0/+/NCMD/#
user edge
topic readwrite #
"""


class Broker:
    """One mosquitto, that may be stopped and started."""

    def __init__(self, folder: Path, port: int, tls: tuple[Path, Path, Path] | None = None) -> None:
        if not PROGRAM.is_file():
            pytest.skip("mosquitto is not installed (sh tests/peers.sh installs it where it may)")
        self.port = port
        self._folder = folder
        folder.mkdir(exist_ok=True)
        passwords = folder / "passwords"
        passwords.write_text("")
        for user, password in PASSWORDS.items():
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True)
        (folder / "rights").write_text(RIGHTS)
        lines = [
            f"listener {port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {folder / 'rights'}",
            "persistence false",
            "user root",
            "log_dest stderr",
        ]
        if tls is not None:
            authority, certificate, key = tls
            lines += [f"cafile {authority}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true"]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", self._config], stdout=log, stderr=log)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def read(self, topic: str) -> bytes:
        """The message that the broker keeps under a topic, as another client reads it."""
        command = ["mosquitto_sub", "-p", str(self.port), "-u", "edge", "-P", PASSWORDS["edge"], "-t", topic]
        return subprocess.run([*command, "-C", "1", "-W", "4"], check=True, capture_output=True).stdout.strip()

    async def online(self) -> bool:
        """What the host application says of itself, when it has said something."""
        while True:
            try:
                return bool(json.loads(await asyncio.to_thread(self.read, "spBv1.0/STATE/baro"))["online"])
            except subprocess.CalledProcessError:
                await asyncio.sleep(0.05)

    async def publish(self, topic: str, payload: str, *options: str) -> None:
        """Publish as another client does."""
        await asyncio.to_thread(self._publish, topic, payload, options)

    def _publish(self, topic: str, payload: str, options: tuple[str, ...]) -> None:
        command = ["mosquitto_pub", "-p", str(self.port), "-u", "edge", "-P", PASSWORDS["edge"], "-t", topic]
        subprocess.run([*command, "-m", payload, *options], check=True, capture_output=True)
