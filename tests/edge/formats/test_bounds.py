"""Whatever happens to a file: a refusal in type, in bounded time and memory."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baro.edge.errors import FormatError, FormatUnknownError
from baro.edge.formats import formats, read, recognise
from tests.edge.formats.samples import SAMPLES

TABLES = ("table", "workbook")
NUMBERS = [struct.pack("<i", n) for n in (-1, 0, 1, 2**31 - 1, -(2**31), 1 << 24)]
NUMBERS += [struct.pack("<d", x) for x in (float("nan"), float("inf"), -1e308, 0.0)] + [struct.pack("<f", 3e38)]
WORDS = [
    b"999999999999",
    b"-1",
    b"1e999",
    b"?",
    b"\n",
    b"##END=\n",
    b"##TITLE=x\n",
    b"<",
    b"\0",
    b'"',
    b",",
    b"\xff\xfe",
]


def test_every_reader_has_a_sample_that_it_reads() -> None:
    read_by = {name: recognise(data).NAME for name, data in SAMPLES.items()}
    assert set(read_by.values()) == set(formats())
    for name, data in SAMPLES.items():
        if name not in TABLES:
            assert read(data, name).count, name


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """The sample with a few places replaced, moved, doubled, cut out or cut off."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        if not found:
            break
        place = draw(st.integers(0, len(found) - 1))
        piece = draw(st.sampled_from(NUMBERS + WORDS) | st.binary(min_size=1, max_size=8))
        match draw(st.integers(0, 5)):
            case 0 | 1:
                found[place : place + len(piece)] = piece
            case 2:
                found[place:place] = piece
            case 3:
                del found[place : place + draw(st.integers(1, 40))]
            case 4:
                found[place:place] = found[draw(st.integers(0, place)) : place]
            case _:
                del found[place:]
    return bytes(found)


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_file_is_read_or_refused_in_type(name: str, data: st.DataObject) -> None:
    raw = data.draw(changed(SAMPLES[name]))
    try:
        known = recognise(raw)
    except FormatUnknownError:
        return
    tracemalloc.start()
    began = time.process_time()
    try:
        reading = known.read(raw, "x")
    except FormatError:
        return
    finally:
        spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert spent < 5
        # an axis by its step, or a repetition, may say much in few signs: no more than a text may hold
        assert peak < 40_000_000 + 100 * len(raw) or name.startswith(("jcamp", "animl"))
    for item in reading.spectra:
        assert np.isfinite(item.axis).all()
        assert item.values.shape == (len(item.samples), item.axis.size)


def jcamp(body: bytes) -> bytes:
    return b"##TITLE=x\n##JCAMP-DX=5\n##FIRSTX=1\n##DELTAX=1\n##XYDATA=(X++(Y..Y))\n" + body


N = 60_000
"""So many of anything that a reader whose time grows by the square takes minutes."""
LONG: dict[str, Callable[[], bytes]] = {
    "jcamp blocks": lambda: b"##TITLE=x\n##END=\n" * N,
    "jcamp blocks without an end": lambda: b"##TITLE=x\n" * N,
    "jcamp tables": lambda: b"##TITLE=x\n" + b"##XYPOINTS=(XY..XY)\n1,2\n" * (N // 6),
    "jcamp labels": lambda: b"##TITLE=x\n" + b"".join(b"##A%d=1\n" % n for n in range(N)),
    "jcamp pages": lambda: (
        b"##TITLE=x\n##NTUPLES=x\n##SYMBOL=X,Y\n##FIRST=1\n##LAST=2\n"
        + b"##PAGE=N=1\n##DATA TABLE=(X++(Y..Y))\n1 2\n" * (N // 6)
    ),
    "jcamp symbols": lambda: b"##TITLE=x\n##NTUPLES=x\n##SYMBOL=" + b"X,Y," * N + b"\n##DATA TABLE=(X++(Y..Y))\n1 2\n",
    "jcamp repetition": lambda: jcamp(b"1AZ9999999999\n"),
    "jcamp repetitions": lambda: jcamp(b"1" + b"A00Z999" * 8000 + b"\n"),
    "jcamp digits": lambda: jcamp(b"1 " + b"9" * 1_000_000),
    "jcamp blanks": lambda: jcamp(b" " * 1_000_000 + b"1 2"),
    "jcamp signs": lambda: b"##TITLE=x\n" + b"#" * 1_000_000,
    "jcamp brackets": lambda: b"##TITLE=x\n##PEAK ASSIGNMENTS=(XYA)\n" + b"( " * N + b" " * 500_000,
    "horiba fields": lambda: b"#Acq. time (s)=\t1\n" + b"".join(b"#f%d=\t1\n" % n for n in range(N)),
    "horiba rows": lambda: b"#Acq. time (s)=\t1\n" + b"1\t2\n" * N,
    "horiba columns": lambda: b"#Acq. time (s)=\t1\n" + b"\t1" * N + b"\n",
    "horiba nested": lambda: (
        b"<LSX_Data><LSX_Tree>" + b'<LSX ID="0x7B697861">' * N + b"</LSX>" * N + b"</LSX_Tree><LSX_Matrix/></LSX_Data>"
    ),
    "horiba attributes": lambda: b"<LSX_Data " + b"".join(b'a%d="1" ' % n for n in range(N)) + b"/>",
    "animl steps": lambda: b"<AnIML><ExperimentStepSet>" + b"<ExperimentStep/>" * N + b"</ExperimentStepSet></AnIML>",
    "animl sets": lambda: (
        b"<AnIML><ExperimentStepSet><ExperimentStep>"
        + b"<SeriesSet length='1'>" * N
        + b"</SeriesSet>" * N
        + b"</ExperimentStep></ExperimentStepSet></AnIML>"
    ),
    "siware comments": lambda: b"# NeoSpectra\n" + b"# a: b\n" * N,
    "siware brackets": lambda: b'{"x":"neospectra","wavelengths":' + b"[" * N,
    "siware digits": lambda: b'{"x":"neospectra","wavelengths":[' + b"1" * 1_000_000 + b"]}",
    "micronir fields": lambda: b"Instrument,VIAVI MicroNIR\n" + b"a,b\n" * N,
    "table rows": lambda: b"1,2,3\n" * N,
    "table columns": lambda: (b"1," * N + b"1\n") * 3,
    "table columns that turn": lambda: (b"1,3,2," * N + b"1\n") * 3,
    "table quotes": lambda: b'"' * 1_000_000 + b"\n1,2\n3,4\n",
    "dpt rows": lambda: b"".join(b"%d,1\n" % n for n in range(N)),
    "empty lines": lambda: b"1,2\n1,2\n" + b"\n" * 2_000_000,
    "opus parameters": lambda: (
        b"\n\n\xfe\xfe"
        + struct.pack("<diii", 1.0, 24, 1000, 1000)
        + struct.pack("<iii", 0x10, 500_000, 24 + 12_000) * 1000
        + (b"ABC\0" + bytes(4)) * 250_000
    ),
    "spc subfiles": lambda: (
        struct.pack("<BBBbiddi", 0xC4, 0x4B, 4, -128, 0, 1.0, 2.0, N).ljust(512, b"\0")
        + (bytes(16) + struct.pack("<I", 0) + bytes(12)) * N
    ),
    "wdf blocks": lambda: SAMPLES["wdf"] + struct.pack("<4sIQ", b"AAAA", 0, 16) * N,
    "omnic entries": lambda: b"Spectral Data File\r\n" + bytes(274) + b"\xff\xff" + bytes(8) + bytes(16 * N),
}


@pytest.mark.parametrize("name", LONG)
def test_time_grows_with_the_file_and_no_faster(name: str) -> None:
    data = LONG[name]()
    began = time.process_time()
    with suppress(FormatError):
        read(data, "x")
    assert time.process_time() - began < 8


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.startswith(("table", "workbook"))])
def test_a_number_of_four_bytes_in_every_place_costs_no_memory(name: str) -> None:
    """2^31 - 1 and 2^24 written over every place of the first kilobyte: no claim is believed."""
    data = SAMPLES[name]
    for place in range(0, min(len(data) - 4, 1200), 4 if len(data) < 1200 else 16):
        for claim in (2**31 - 1, 1 << 24):
            raw = data[:place] + struct.pack("<i", claim) + data[place + 4 :]
            tracemalloc.start()
            with suppress(FormatError):
                read(raw, "x")
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 5_000_000, place
