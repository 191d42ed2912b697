"""Files read as spectra with columns beside them: long tables by pieces, arrays, zip files, and bounds."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from django.core.files.base import ContentFile

from baro.apps.ledger.services import reading
from baro.apps.pat import bundles, tables, uploads
from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.models import DataSet
from baro.apps.pat.samples import load, of_rows
from baro.apps.pat.uploads import Upload, read_uploads
from tests.apps.pat.making import AXIS, Room, rows

ROLES = {"sample": "ID", "batch": "Lot", "reference": "HPLC", "time": ""}


def table(count: int = 8, delimiter: str = ",", decimal: str = ".", end: str = "\n") -> str:
    lines = [delimiter.join(["Lot", "ID", "Feuchte", *(f"{x:g}" for x in AXIS), "HPLC", "Presse"])]
    for i, row in enumerate(rows(count)):
        numbers = [text.replace(".", decimal) for text in (f"{i / 8:.3f}", *(f"{v:.6f}" for v in row.spectrum))]
        lines.append(
            delimiter.join([row.batch, row.sample, *numbers, f"{row.reference:.3f}".replace(".", decimal), f"P{i % 3}"])
        )
    return end.join(lines) + end


def same(one: Upload, other: Upload) -> None:
    assert (one.columns, one.cells, one.lines) == (other.columns, other.cells, other.lines)
    assert one.decimal == other.decimal
    np.testing.assert_array_equal(one.axis, other.axis)
    assert one.spectra.tobytes() == other.spectra.tobytes()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is read as a long one is, some lines at a time."""
    monkeypatch.setattr(uploads, "SMALL", 0)
    monkeypatch.setattr(tables, "BLOCK_BYTES", 3000)


@pytest.mark.parametrize(
    "text",
    [
        table(),
        table(delimiter=";", decimal=","),
        table(delimiter="\t", end="\r\n"),
        table(end="\n\n"),
        table().replace("P1", '"P1, left"'),
        table().replace("P1", "프레스 1"),
        "Werk 7\nNIR 3\n" + table(),
        table().rstrip("\n"),
        table(delimiter=" "),
    ],
    ids=["comma", "semicolon", "tab", "empty lines", "quoted", "korean", "lines above", "no end", "spaces"],
)
def test_a_long_table_is_read_as_a_short_one(text: str, pieces: None, monkeypatch: pytest.MonkeyPatch) -> None:
    long = read_uploads([("t.csv", ContentFile(text.encode(), "t.csv"))])
    monkeypatch.setattr(uploads, "SMALL", 1 << 23)
    same(long, read_uploads([("t.csv", text.encode())]))
    assert len(long.spectra) == 32


def test_what_cannot_be_read_in_a_long_table_is_named(pieces: None) -> None:
    for change, told in (
        (lambda text: text.replace("B6-2,0.", "B6-2,0.x", 1), None),  # a column beside the spectra may hold any text
        (
            lambda text: "\n".join([*text.splitlines()[:20], text.splitlines()[20].replace(".", "..", 3)]),
            ["21", "1100"],
        ),
        (lambda text: f"{text}B9,B9-1,1.0\n", ["34"]),
        (lambda text: text.splitlines()[0], ["t.csv"]),
        (lambda text: text.replace("0.3", "nan", 1) if "0.3" in text else text, None),
    ):
        body = change(table()).encode()
        if told is None:
            read_uploads([("t.csv", body.replace(b"nan", b"0.3"))])
            continue
        with pytest.raises(DataInvalid) as caught:
            read_uploads([("t.csv", body)])
        assert all(part in str(caught.value) for part in told)
    lost = table().splitlines()
    cells = lost[9].split(",")
    lost[9] = ",".join([*cells[:12], "NaN", *cells[13:]])
    with pytest.raises(DataInvalid) as caught:
        read_uploads([("t.csv", "\n".join(lost).encode())])
    assert "10" in str(caught.value)


def test_columns_without_a_role_are_variables_and_stay(room: Room) -> None:
    found = read_uploads([("t.csv", table().replace("P1", "").encode())]).rows(ROLES)
    assert set(found[0].variables) == {"Feuchte", "Presse"}
    made = room.data_set("wet", found)
    plain = room.data_set("dry", rows())
    with reading(room.plant.company):
        kept = load(DataSet.objects.get(id=made.id))
        assert not load(DataSet.objects.get(id=plain.id)).variables
    np.testing.assert_array_equal(kept.variables["Feuchte"], [i / 8 for i in range(32)])
    assert kept.variables["Presse"][:3] == ["P0", "", "P2"]
    part = kept.chosen(np.arange(32) == 2)
    assert (part.variables["Presse"], list(part.variables["Feuchte"])) == (["P2"], [0.25])
    # they belong to what the digest names
    others = [dict(row.variables) | {"Presse": "P9"} for row in found]
    changed = [
        type(row)(*(getattr(row, k) for k in row.__slots__[:5]), one) for row, one in zip(found, others, strict=True)
    ]
    assert of_rows(changed, AXIS, "nm").digest != kept.digest == of_rows(found, AXIS, "nm").digest
    # a number that is missing is none, not a text
    gaps = read_uploads([("t.csv", table().replace(",0.125,", ",,").encode())]).rows(ROLES)
    values = of_rows(gaps, AXIS, "nm").variables["Feuchte"]
    assert np.isnan(values).sum() == 1  # type: ignore[call-overload]


def npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def test_arrays_are_a_table_too() -> None:
    made = rows()
    spectra = np.stack([row.spectrum for row in made])
    beside = {"ID": np.array([row.sample for row in made]), "HPLC": np.array([row.reference for row in made])}
    aside = np.arange(64.0).reshape(32, 2)
    found = read_uploads([("t.npz", npz(spectra=spectra, wavelength_nm=AXIS, Y=aside, note=np.zeros(7), **beside))])
    assert (found.columns, found.unit) == (["Y 1", "Y 2", "ID", "HPLC"], "nm")
    assert found.spectra.tobytes() == spectra.tobytes()
    told = found.rows({"sample": "ID", "batch": "", "reference": "HPLC", "time": ""})
    assert [row.reference for row in told] == [row.reference for row in made]
    assert told[5].variables == {"Y 1": 10.0, "Y 2": 11.0}
    for wrong in (
        npz(axis=AXIS),
        npz(a=spectra, b=spectra, axis=AXIS),
        npz(spectra=spectra),
        npz(spectra=spectra, axis=AXIS[:-1]),
        npz(spectra=np.where(spectra > 1, np.nan, spectra), axis=AXIS),
        npz(spectra=spectra, axis=AXIS, names=np.array([None] * 32)),
    ):
        with pytest.raises(DataInvalid, match=r"t\.npz"):
            read_uploads([("t.npz", wrong)])


def test_a_zip_of_spectrum_files_is_as_the_files() -> None:
    files = {}
    for row in rows(4):
        points = "\n".join(f"{x:g} {y:.6f}" for x, y in zip(AXIS, row.spectrum, strict=True))
        head = f"##TITLE={row.sample}\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n##XUNITS=NANOMETERS\n"
        size = f"##YUNITS=ABSORBANCE\n##XFACTOR=1\n##YFACTOR=1\n##FIRSTX={AXIS[0]:g}\n##LASTX={AXIS[-1]:g}\n"
        files[f"{row.sample}.jdx"] = (
            f"{head}{size}##NPOINTS={len(AXIS)}\n##XYPOINTS=(XY..XY)\n{points}\n##END=\n".encode()
        )
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._x", b"\x00")
        for name, content in files.items():
            archive.writestr(f"march/{name}", content)
    refs = "\n".join(["sample,assay", *(f"{row.sample},{row.reference}" for row in rows(4))]).encode()
    zipped = read_uploads([("all.zip", body.getvalue()), ("refs.csv", refs)])
    same(zipped, read_uploads([*files.items(), ("refs.csv", refs)]))
    assert [one["name"] for one in zipped.origin] == ["all.zip", "refs.csv"]
    with pytest.raises(DataInvalid, match="따로"):
        read_uploads([("all.zip", body.getvalue()), ("t.npz", npz(spectra=np.ones((3, 4)), axis=np.arange(4.0)))])


def test_bounds(monkeypatch: pytest.MonkeyPatch, pieces: None) -> None:
    text = table().encode()
    monkeypatch.setattr(uploads, "MOST_BYTES", len(text) - 1)
    with pytest.raises(DataInvalid, match="합해"):
        read_uploads([("t.csv", text)])
    monkeypatch.setattr(uploads, "MOST_BYTES", 1 << 30)
    monkeypatch.setattr(tables, "MOST_POINTS", 31 * 40)
    with pytest.raises(DataInvalid, match="점이 모두"):
        read_uploads([("t.csv", text)])
    monkeypatch.setattr(bundles, "MOST_UNPACKED", 1000)
    with pytest.raises(DataInvalid, match="압축"):
        read_uploads([("t.npz", npz(spectra=np.ones((32, 40)), axis=AXIS))])
    with pytest.raises(DataInvalid, match="외의 열"):
        many = "\n".join(["ID," + ",".join(f"c{i}x" for i in range(60)) + ",1100,1102,1104", *(["a" + ",1" * 63] * 3)])
        read_uploads([("t.csv", many.encode())]).rows({"sample": "ID"})
