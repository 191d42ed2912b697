"""A small file of every form that a reader knows, made by the writers of the tests."""

from __future__ import annotations

import numpy as np

from tests.edge.formats.test_instruments import ABSORBANCE, ITS_STATUS, Y, asd, omnic, opus, params, status, wdf
from tests.edge.formats.test_jcamp import MASSES, NTUPLES, TABLES, made
from tests.edge.formats.test_jcamp_variants import PLANES, nested
from tests.edge.formats.test_omnic import series
from tests.edge.formats.test_spc import Y as ORDINATES
from tests.edge.formats.test_spc import floats, header, sub
from tests.edge.formats.test_spc_variants import OWN, old
from tests.edge.formats.test_tables import text, workbook
from tests.edge.formats.test_texts import ALONE, ANIML, COUNTED, encoded
from tests.edge.formats.test_texts_variants import LSX, SECOND

_SPC = [sub("<", -128, number, floats("<", ORDINATES)) for number in range(3)]
_OWN = [sub("<", -128, n, floats("<", np.arange(5)) + floats("<", ORDINATES), points=5) for n in range(2)]

SAMPLES: dict[str, bytes] = {
    **{f"jcamp {form}": made(table) for form, table in TABLES.items()},
    "jcamp linked": nested(3),
    "jcamp fid": NTUPLES.encode(),
    "jcamp masses": MASSES.encode(),
    "jcamp planes": PLANES.encode(),
    "jcamp assignments": b"##TITLE=x\n##NPOINTS=2\n##PEAK ASSIGNMENTS=(XYA)\n(7.2, 1, <a>)\n(1.5,2,<b>)\n##END=",
    "spc single": header() + _SPC[0],
    "spc multi": header(flags=4, subfiles=3) + b"".join(_SPC),
    "spc own": header(flags=OWN, points=0, subfiles=2) + b"".join(_OWN),
    "spc old": old(4, 6, flags=4),
    "opus": opus((ABSORBANCE, Y.tobytes()), (ITS_STATUS, status()), (0xA0, params(SNM="tablet"))),
    "wdf": wdf(np.arange(12.0).reshape(3, 4), np.arange(4.0)),
    "omnic": omnic(Y),
    "omnic series": series(),
    "asd": asd(np.array([10.0, 20.0]), kind=1, reference=np.array([20.0, 40.0])),
    "horiba spectrum": b"#Acq. time (s)=\t1\n#AxisUnit[1]=\tnm\n46.6\t37\n48.4\t33\n",
    "horiba map": b"#Acq. time (s)=\t1\n\t\t100\t200\n0\t1\t5\t6\n0\t2\t8\t9\n",
    "horiba xml": LSX.format(encoding="utf-8", largest=6, second=SECOND).encode(),
    "animl alone": ANIML.format(axis=COUNTED, kind="Float32", values=ALONE).encode(),
    "animl encoded": ANIML.format(axis=COUNTED, kind="Float64", values=encoded("<f8")).encode(),
    "siware csv": b"# NeoSpectra\n# measurement_id: 7\nwavelength_nm,absorbance\n1100,0.5\n1102,0.25\n",
    "siware json": b'{"instrument": {"maker": "NeoSpectra"}, "wavelengths": [1, 2], "absorbance": [0.5, 0.25]}',
    "micronir": b"Instrument,VIAVI MicroNIR\nsample,1,2,3\nT1,0.5,0.25,0.125\n",
    "dpt": b"1,2\n2,3\n3,4\n4,5\n",
    "table": text(";", ",", wide=True),
    "workbook": workbook(),
}
