"""Ports for programs that shall listen, or that shall find nobody listening."""

from __future__ import annotations

import secrets
import socket


def free_port(address: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of this address that nobody has.

    It lies below those that systems hand out by themselves: one of theirs may belong to any other program's
    connection by the time that ours listens, or listens again.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
