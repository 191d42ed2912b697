"""A model as one file, to be carried elsewhere: a zip of its description, its arrays and its digest.

Nothing in it is compressed and its dates are fixed, so that the same model gives the same file. The two parts are the
bytes that are registered; what takes them in gives the same bits for the same spectrum.
"""

from __future__ import annotations

import io
import json
import zipfile

from django.utils.translation import gettext as _

from baro.apps.pat.errors import ModelFileInvalid, ModelUnknown
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.reasons import reason_words
from baro.science.chemometrics import artefact
from baro.science.errors import ArtefactDamaged, ScienceError

DESCRIPTION, ARRAYS, DIGEST = "model.json", "model.npz", "model.sha256"
MOST_BYTES = 256 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def model_of(code: str, version: int) -> CalibrationModel:
    """A registered model. Call within the company's context. Raises ModelUnknown."""
    found = CalibrationModel.objects.filter(code=code, version=version).first() if 0 <= version < 1 << 31 else None
    if found is None:
        raise ModelUnknown(model=f"{code} v{version}")
    return found


def pack(model: CalibrationModel) -> bytes:
    """The file of a registered model."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, body in (
            (DESCRIPTION, model.description.encode()),
            (ARRAYS, bytes(model.arrays)),
            (DIGEST, f"{model.digest}\n".encode()),
        ):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system = 3
            archive.writestr(entry, body)
    return sink.getvalue()


def unpack(body: bytes) -> artefact.ModelArtefact:
    """What a file holds, checked as far as its own digest goes, and read once.

    Raises ModelFileInvalid: it is no such file, is damaged, is too large, or is of another version.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            if set(sizes) != {DESCRIPTION, ARRAYS, DIGEST} or len(archive.infolist()) != len(sizes):
                raise ModelFileInvalid(detail=_("it holds other files than those of a model"))
            if sum(sizes.values()) > MOST_BYTES:
                raise ModelFileInvalid(detail=_("it is larger than %(most)s MB") % {"most": MOST_BYTES >> 20})
            found = {name: archive.read(name) for name in sizes}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelFileInvalid(detail=_("it is no zip file, or a damaged one")) from error
    told = artefact.ModelArtefact(
        found[DESCRIPTION], found[ARRAYS], found[DIGEST].decode("ascii", "replace").strip().lower()
    )
    try:
        artefact.loads(told.json_bytes, told.npz_bytes, told.digest)
    except ArtefactDamaged as error:
        raise ModelFileInvalid(detail=_("its parts do not belong together, or are damaged")) from error
    except ScienceError as error:
        raise ModelFileInvalid(detail=reason_words(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError, json.JSONDecodeError, zipfile.BadZipFile) as error:
        raise ModelFileInvalid(detail=_("it describes no model")) from error
    return told
