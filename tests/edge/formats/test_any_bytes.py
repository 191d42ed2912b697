"""Whatever the bytes: a reader gives spectra or a typed refusal, within bounds of time and memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baro.edge.errors import FileTooLargeError, FormatError, FormatUnknownError
from baro.edge.formats import formats, read, recognise
from baro.edge.formats.mapping import propose
from baro.edge.formats.result import MAX_BYTES

MARKS = [
    b"",
    b"##TITLE=x\n##JCAMP-DX=5\n##NPOINTS=9\n##FIRSTX=1\n##LASTX=9\n##XYDATA=(X++(Y..Y))\n",
    b"##TITLE=x\n##PEAK TABLE=(XY..XY)\n",
    b"##TITLE=x\n##NTUPLES=x\n##SYMBOL=X,Y\n##FIRST=1,1\n##LAST=9,9\n##PAGE=N=1\n##DATA TABLE=(X++(Y..Y))\n",
    b"\n\n\xfe\xfe",
    b"WDF1\x01\0\0\0\0\x02\0\0\0\0\0\0",
    b"Spectral Data File\r\n",
    b"as7\0",
    b"\0\x4b\0\x80",
    b"\0\x4c\0\x80",
    b"\0\x4d\0\0",
    b"#Acq. time (s)=\t1\n#Title=\tx\n",
    b"<?xml version='1.0'?><LSX_Data><LSX_Tree>",
    b"<AnIML><ExperimentStepSet>",
    b"# NeoSpectra\nwavelength_nm,absorbance\n",
    b'{"x":"neospectra","wavelengths":[',
    b"Instrument,VIAVI MicroNIR\n,1,2,3\n",
    b"PK\3\4 xl/workbook.xml",
    b"1,2\n2,3\n3,4\n",
]


@pytest.mark.parametrize("mark", MARKS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(st.binary(max_size=2000), st.text(max_size=500).map(lambda text: text.encode("utf-8", "replace")))
)
def test_random_bytes_are_refused_in_type(mark: bytes, body: bytes) -> None:
    try:
        known = recognise(mark + body)
    except FormatUnknownError:
        return
    with suppress(FormatError):
        assert known.read(mark + body, "x").count


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="0123456789.,;-+eE \t\nnmX\"'", max_size=400))
def test_any_table_can_be_looked_at(text: str) -> None:
    try:
        proposal = propose(text.encode())
    except FormatError:
        return
    assert proposal.reasons


def mutations(data: bytes, source: random.Random, count: int) -> Iterator[bytes]:
    """Bytes changed, cut, moved, doubled and replaced by extreme numbers, more often near the beginning."""
    extremes = [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", bytes(4), b"\0\0\0\0\0\0\xf0\x7f", b"999999999", b"-1"]
    for _ in range(count):
        found = bytearray(data)
        for _ in range(source.choice([1, 1, 2, 4, 16])):
            end = min(len(found), 1200) if source.random() < 0.6 else len(found)
            if not end:
                break
            place, other = source.randrange(end), source.randrange(len(found))
            match source.randrange(6):
                case 0:
                    found[place] = source.randrange(256)
                case 1:
                    del found[place:]
                case 2:
                    piece = source.choice(extremes)
                    found[place : place + len(piece)] = piece
                case 3:
                    del found[place : place + source.randrange(1, 50)]
                case 4:
                    found[place:place] = source.randbytes(source.randrange(1, 20))
                case _:
                    found[place : place + 16] = found[other : other + 16]
        yield bytes(found)


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
def test_mutated_files_are_read_or_refused_in_type(shared_data: Path) -> None:
    source = random.Random(20261122)
    for file in sorted((shared_data / "formats").rglob("*")):
        if not file.is_file() or file.suffix == ".gz" or file.stat().st_size > 100_000:
            continue
        for data in mutations(file.read_bytes(), source, 8):
            try:
                known = recognise(data)
            except FormatUnknownError:
                continue
            began = time.process_time()
            with suppress(FormatError):
                assert known.read(data, file.name).count
            assert time.process_time() - began < 5


def test_a_cut_file_is_never_read_as_a_whole_one(shared_data: Path) -> None:
    """Formats that state how much there is notice every cut before the last number."""
    folder = shared_data / "formats"
    for name in (
        "jcamp_lancashire/o02.jdx",
        "galactic_spc/BENZENE.SPC",
        "bruker_opus/BF_lo_01_soil_cal.1",
        "raman_renishaw/wire_sp.wdf",
        "nicolet_omnic/wodger.spg",
        "asd/v6sample00000.asd",
        "raman_horiba/jobinyvon_test_spec.xml",
        "animl/synthetic_nirs.animl",
        "siware_api/synthetic_siware_api.json",
        "viavi_micronir/synthetic_micronir.csv",
    ):
        data = (folder / name).read_bytes()
        whole = read(data, name)
        for part in (0.2, 0.5, 0.7):
            try:
                cut = read(data[: int(part * len(data))], name)
            except FormatError:
                continue
            # a table that states no counts may end with a whole row
            assert name.endswith("micronir.csv"), name
            assert cut.count < whole.count


def test_memory_is_bounded_by_the_file_not_by_its_claims(shared_data: Path) -> None:
    folder = shared_data / "formats"
    source = random.Random(7)
    for name in ("galactic_spc/Ft-ir.spc", "raman_renishaw/wire_sp.wdf", "bruker_opus/BF_lo_01_soil_cal.1"):
        data = (folder / name).read_bytes()
        for claim in (b"\0\0\0\x01", b"\xff\xff\xff\x7f", b"\0\0\x80\0"):
            for _ in range(10):
                place = source.randrange(600)
                changed = data[:place] + claim + data[place + 4 :]
                tracemalloc.start()
                try:
                    read(changed, name)
                except FormatError:
                    pass
                finally:
                    _, peak = tracemalloc.get_traced_memory()
                    tracemalloc.stop()
                assert peak < 40 * len(data) + 2_000_000, (name, place, claim)


def test_a_file_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(FileTooLargeError):
        recognise(bytes(MAX_BYTES + 1))


def test_a_zip_bomb_is_not_unpacked() -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 70_000_000)
    with pytest.raises(FileTooLargeError):
        formats()["table"].read(packed.getvalue(), "x.xlsx")


def test_an_xml_bomb_is_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><AnIML>&b;</AnIML>'
    with pytest.raises(FormatError, match="document type"):
        read(bomb)
