"""Watched folders: complete files are read once, under numbers that outlive every stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from baro.edge.assembler import Assembler
from baro.edge.blocks import EventKind, GapReason
from baro.edge.driver import Axis, Choice, Emission, Refusal, Spectrum, driver_of, load_driver, settings_of
from baro.edge.drivers.files import FilesDriver, FilesSettings
from baro.edge.errors import LinkLostError, SettingsInvalidError
from baro.edge.gateway import Gateway, GatewaySettings
from tests.edge.drivers.collecting import Collected
from tests.edge.formats.test_jcamp import TABLES, VALUES, made

SOURCE = "nir-2/files"


@contextlib.asynccontextmanager
async def collecting(driver: FilesDriver, *, keeping: bool = True) -> AsyncIterator[Collected]:
    """The driver at work, with or without the word that what it emits is kept."""
    out = Collected()

    def emit(emissions: Sequence[Emission]) -> None:
        out.emit(emissions)
        if keeping:
            asyncio.get_running_loop().call_later(0.05, driver.kept, emissions)

    task = asyncio.create_task(driver.run(emit))
    try:
        yield out
        assert not task.done(), task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def folder(tmp_path: Path, **other: object) -> FilesSettings:
    (tmp_path / "drop").mkdir(exist_ok=True)
    values = {"url": f"file://{tmp_path}/drop", "source": SOURCE, "settle": 0.1, "look": 0.05}
    return FilesSettings.model_validate(values | {"memory": str(tmp_path / "memory.sqlite")} | other)


def spectrum(number: int) -> bytes:
    """A file that no other equals."""
    return made(TABLES["DIF"], TITLE=f"tablet {number}", LONG_DATE=f"2026/11/22 10:00:{number:02} +0900")


def numbers(out: Collected) -> list[int]:
    return [one.seq for one in out.spectra()]


async def test_a_complete_file_becomes_an_axis_and_its_spectra(tmp_path: Path) -> None:
    settings = folder(tmp_path)
    async with collecting(FilesDriver(settings)) as out:
        (tmp_path / "drop" / "one.dat").write_bytes(spectrum(1))
        await out.until(out.spectra)
    (axis,) = [one for one in out if isinstance(one, Axis)]
    (found,) = out.spectra()
    assert (axis.unit, axis.values[0], len(axis)) == ("cm-1", 400.0, 10)
    assert (found.source, found.seq, found.sample, found.lot, found.axis) == (SOURCE, 1, "tablet 1", "", axis.digest)
    assert found.time == datetime(2026, 11, 22, 1, 0, 1, tzinfo=UTC)
    np.testing.assert_array_equal(found.values, VALUES.astype(np.float32))
    assert out.links(SOURCE) == [True]
    assert os.listdir(tmp_path / "drop") == ["one.dat"]


async def test_a_file_is_not_read_while_it_is_written(tmp_path: Path) -> None:
    data = spectrum(1)
    settings = folder(tmp_path, settle=0.4)
    async with collecting(FilesDriver(settings)) as out:
        with open(tmp_path / "drop" / "slow.jdx", "wb", buffering=0) as file:
            for place in range(0, len(data), 60):
                file.write(data[place : place + 60])
                await asyncio.sleep(0.1)
                assert not [one for one in out if isinstance(one, Spectrum | Refusal)]
        await out.until(out.spectra)
    assert not [one for one in out if isinstance(one, Refusal)]


async def test_names_on_their_way_markers_and_renames(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    async with collecting(FilesDriver(folder(tmp_path))) as out:
        (drop / "one.jdx.part").write_bytes(spectrum(1))
        (drop / "empty.jdx").touch()
        await asyncio.sleep(0.5)
        assert not out.spectra()
        (drop / "one.jdx.part").rename(drop / "one.jdx")
        await out.until(out.spectra)
    settings = folder(tmp_path, marker=".done", memory=str(tmp_path / "other.sqlite"))
    async with collecting(FilesDriver(settings)) as out:
        await asyncio.sleep(0.5)
        assert not out.spectra()
        (drop / "one.jdx.done").touch()
        await out.until(out.spectra)


async def test_numbers_are_stable_and_contents_are_read_once(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    settings = folder(tmp_path)
    async with collecting(FilesDriver(settings)) as out:
        for number in (1, 2, 3):
            (drop / f"{number}.jdx").write_bytes(spectrum(number))
            os.utime(drop / f"{number}.jdx", (number, number))
        await out.until(lambda: len(out.spectra()) == 3)
        assert [one.sample for one in out.spectra()] == ["tablet 1", "tablet 2", "tablet 3"]
        await asyncio.sleep(0.5)  # what was emitted is surely kept by now
    (drop / "copy.jdx").write_bytes(spectrum(2))
    (drop / "1.jdx").rename(drop / "renamed.jdx")
    (drop / "4.jdx").write_bytes(spectrum(4))
    async with collecting(FilesDriver(settings)) as out:
        await out.until(out.spectra)
        await asyncio.sleep(0.4)
    assert [(one.seq, one.sample) for one in out.spectra()] == [(4, "tablet 4")]


async def test_what_may_not_have_been_kept_is_served_again_under_its_numbers(tmp_path: Path) -> None:
    settings = folder(tmp_path)
    many = b"Instrument,VIAVI MicroNIR\n,1,2,3\n" + b"".join(b"S%d,%d,2,3\n" % (n, n) for n in range(350))
    (tmp_path / "drop" / "many.csv").write_bytes(many)
    async with collecting(FilesDriver(settings), keeping=False) as out:
        await out.until(lambda: len(out.spectra()) == 200)
        await asyncio.sleep(0.3)
        assert len(out.spectra()) == 200  # more than the gateway remembers is not put at risk
    (tmp_path / "drop" / "later.jdx").write_bytes(spectrum(1))
    async with collecting(FilesDriver(settings)) as again:
        await again.until(lambda: len(again.spectra()) >= 351)
        await asyncio.sleep(0.3)
    async with collecting(FilesDriver(settings)) as nothing:
        await asyncio.sleep(0.4)
    assert not nothing.spectra()
    kept = numbers(out)
    assert kept == list(range(1, 201))
    served = [one for one in again.spectra() if one.seq <= 200]
    assert served
    by_number = {one.seq: one for one in out.spectra()}
    for one in served:
        assert (one.time, one.sample) == (by_number[one.seq].time, by_number[one.seq].sample)
    assert numbers(again)[-1] == 351
    # the gateway's sequence logic takes each number once
    assembler = Assembler({}, lambda source: None)
    now = datetime.now(UTC)
    for emissions in (list(out), list(again)):
        assembler.adopt(assembler.take([(now, emissions)]))
    assert assembler.states[SOURCE].epoch == 0
    assert assembler.states[SOURCE].last_seq == 351


async def test_a_refused_file_keeps_its_bytes_within_bounds_and_its_number(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    settings = folder(tmp_path, keep=100)
    (drop / "wrong.jdx").write_bytes(made(TABLES["DIF"], NPOINTS="12"))
    async with collecting(FilesDriver(settings)) as out:
        (refusal,) = await out.until(lambda: [one for one in out if isinstance(one, Refusal)])
        (drop / "right.jdx").write_bytes(spectrum(1))
        await out.until(out.spectra)
        await asyncio.sleep(0.5)
    assert (refusal.seq, refusal.payload) == (1, made(TABLES["DIF"], NPOINTS="12")[:100])
    assert "wrong.jdx: disagrees" in refusal.reason
    assert "NPOINTS is 12" in refusal.reason
    assert "100 of " in refusal.reason
    assert numbers(out) == [2]


async def test_a_refused_file_is_read_again_under_other_settings(tmp_path: Path) -> None:
    settings = folder(tmp_path)
    (tmp_path / "drop" / "table.csv").write_bytes(b"id,1100,1102,1104\na,1,2,3\nb,4,5,6\n")
    async with collecting(FilesDriver(settings)) as out:
        (refusal,) = await out.until(lambda: [one for one in out if isinstance(one, Refusal)])
        await asyncio.sleep(0.5)
    assert "mapping_needed" in refusal.reason
    mapped = folder(tmp_path, mapping={"orientation": "rows", "sample_column": 0, "x_unit": "nm"})
    async with collecting(FilesDriver(mapped)) as out:
        await out.until(lambda: len(out.spectra()) == 2)
    assert [(one.seq, one.sample, list(one.values)) for one in out.spectra()] == [
        (2, "a", [1, 2, 3]),
        (3, "b", [4, 5, 6]),
    ]


async def test_lot_and_sample_by_the_path_and_times_by_the_zone(tmp_path: Path) -> None:
    data = made(TABLES["DIF"], DATE="26/11/22", TIME="10:00:00")
    settings = folder(tmp_path, names=r"^(?P<lot>[^/]+)/(?P<sample>[^/.]+)", zone="Asia/Seoul")
    (tmp_path / "drop" / "B-7").mkdir()
    (tmp_path / "drop" / "B-7" / "T001.jdx").write_bytes(data)
    async with collecting(FilesDriver(settings)) as out:
        await out.until(out.spectra)
    (found,) = out.spectra()
    assert (found.lot, found.sample, found.time) == ("B-7", "T001", datetime(2026, 11, 22, 1, tzinfo=UTC))
    os.utime(tmp_path / "drop" / "B-7" / "T001.jdx", (1000, 1000))
    async with collecting(FilesDriver(folder(tmp_path, memory=str(tmp_path / "new.sqlite")))) as out:
        await out.until(out.spectra)
    assert out.spectra()[0].time == datetime.fromtimestamp(1000, UTC)


async def test_a_folder_that_goes_and_comes(tmp_path: Path) -> None:
    settings = folder(tmp_path)
    async with collecting(FilesDriver(settings)) as out:
        await out.until(lambda: out.links(SOURCE) == [True])
        (tmp_path / "drop").rename(tmp_path / "away")
        await out.until(lambda: out.links(SOURCE) == [True, False])
        (tmp_path / "away").rename(tmp_path / "drop")
        await out.until(lambda: out.links(SOURCE) == [True, False, True])


async def test_through_the_gateway_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    from edge_peers import MemorySink

    sink = MemorySink()
    drop = tmp_path / "drop"
    settings = folder(tmp_path)
    for part in range(3):
        for number in range(10):
            (drop / f"{part}-{number}.jdx").write_bytes(spectrum(10 * part + number))
        (drop / f"{part}-wrong.jdx").write_bytes(made(TABLES["PAC"], NPOINTS=str(20 + part)))
        gateway = Gateway(
            GatewaySettings(tmp_path / "spool.db", flush_ms=10, patience=1.0), sink, FilesDriver(settings)
        )
        task = asyncio.create_task(gateway.run())
        async with asyncio.timeout(20):
            while sum(kind is EventKind.REFUSED for kind in sink.kinds(SOURCE)) < part + 1 or len(
                sink.seqs(SOURCE)
            ) < 10 * (part + 1):
                await asyncio.sleep(0.02)
        gateway.stop()
        await task
    seqs = sink.seqs(SOURCE)
    assert len(seqs) == len(set(seqs)) == 30
    refused = {gap.first_seq for gap in sink.gaps.values() if gap.reason is GapReason.REFUSED}
    assert sorted(set(seqs) | refused) == list(range(1, 34))
    assert {block.epoch for block in sink.spectra()} == {0}


async def test_the_wizard_shows_what_the_files_are(tmp_path: Path) -> None:
    settings = folder(tmp_path)
    (tmp_path / "drop" / "a.jdx").write_bytes(spectrum(1))
    (tmp_path / "drop" / "b.jdx").write_bytes(b"something else")
    offer = await FilesDriver.explore(settings)
    (node,) = [node for node in offer.walk() if node.kind == "spectrum"]
    assert (node.path, node.unit, len(node.axis or ())) == ("a.jdx", "cm-1", 10)
    assert any("b.jdx" in note for note in offer.notes)
    assert FilesDriver.choose(settings, [Choice("a.jdx", "nir-9/files")]).source == "nir-9/files"
    with pytest.raises(LinkLostError):
        await FilesDriver.explore(folder(tmp_path, url="file:///nowhere/at/all"))


def test_it_is_found_by_its_address_and_its_settings_are_checked(tmp_path: Path) -> None:
    assert load_driver("files") is FilesDriver
    assert driver_of("file:///drop") == "files"
    settings = settings_of("files", {"url": f"file://{tmp_path}"})
    assert FilesSettings.model_validate_json(settings.model_dump_json()) == settings
    for wrong in (
        {"url": "/drop"},
        {"url": "file://elsewhere/drop"},
        {"url": "file:///d", "names": "("},
        {"url": "file:///d", "names": "(?P<batch>x)"},
        {"url": "file:///d", "zone": "Mars/Olympus"},
        {"url": "file:///d", "mapping": {"orientation": "sideways"}},
        {"url": "file:///d", "nonsense": 1},
    ):
        with pytest.raises((SettingsInvalidError, ValidationError)):
            settings_of("files", wrong)


def test_an_observation_is_bounded(tmp_path: Path) -> None:
    from baro.edge.drivers.files.reading import Item

    item = Item(folder(tmp_path, largest=50), "x.jdx", 0, spectrum(1)[:51])
    (refusal,) = list[Emission](item.observations(7, 0, 1))
    assert isinstance(refusal, Refusal)
    assert "too_large" in refusal.reason
    peaks = b"##TITLE=x\n##JCAMP-DX=5\n##PEAK TABLE=(XY..XY)\n1,2\n5,6\n3,4\n##END="
    assert "one direction" in Item(folder(tmp_path), "x.jdx", 0, peaks).reason
