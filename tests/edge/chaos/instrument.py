"""A plant of its own: a program that measures, whether anybody listens or not, and tells whoever is connected.

    python -m tests.edge.chaos.instrument PORT LIFE COUNTS OFFSET LOT_S

It serves `SAMPLES_S` samples of `TAGS` tags and `SPECTRA_S` spectra a second as lines of JSON. LIFE counts its
restarts; each begins to count its spectra at 1. COUNTS is the file in which it keeps what it has measured so far.
On its input: ``clock SECONDS`` sets its clock forward or back, ``rest`` ends its measuring.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import sys
import time

TICKS_S, TAGS = 20, 500
SAMPLES_S, SPECTRA_S = 5000, 20
A_TICK, SPECTRA_A_TICK = SAMPLES_S // TICKS_S, SPECTRA_S // TICKS_S
SLOW = 4_000_000  # bytes that may wait for a client; a slower one is let go


async def main(port: int, life: int, counts: str, offset: float, lot_s: float) -> None:
    clients: set[asyncio.StreamWriter] = set()
    state = {"offset": offset, "rest": False}

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        clients.discard(writer)
        writer.close()

    def told() -> None:
        for line in sys.stdin.readline().splitlines():
            word, _, value = line.partition(" ")
            if word == "clock":
                state["offset"] += float(value)
            elif word == "rest":
                state["rest"] = True

    await asyncio.start_server(welcome, "127.0.0.1", port)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), told)
    book = os.open(counts, os.O_RDWR | os.O_CREAT)
    samples = spectra = tick = 0
    began = time.monotonic()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not state["rest"]:
        due = began + tick / TICKS_S
        tick += 1
        await asyncio.sleep(max(due - time.monotonic(), 0))
        now = time.time()
        line = {
            "time": round((now + state["offset"]) * 1e6),
            "lot": f"L{int(now / lot_s)}",
            "life": life,
            "samples": [samples, A_TICK],
            "spectra": [spectra + 1, SPECTRA_A_TICK],
            "values": list(range(samples, samples + A_TICK)),
        }
        samples, spectra = samples + A_TICK, spectra + SPECTRA_A_TICK
        os.pwrite(book, struct.pack("<qq", samples, spectra), 0)
        raw = json.dumps(line).encode() + b"\n"
        for writer in list(clients):
            if writer.transport.get_write_buffer_size() > SLOW:
                clients.discard(writer)
                writer.transport.abort()
            else:
                writer.write(raw)
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, port, life, counts, offset, lot_s = sys.argv
    asyncio.run(main(int(port), int(life), counts, float(offset), float(lot_s)))
