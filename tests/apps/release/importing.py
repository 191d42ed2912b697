"""What the importing installation is asked, and records of two installations side by side."""

from __future__ import annotations

import json
from typing import Any

SET_UP = """
import django; django.setup()
import sys
from baro.apps.ledger.services import Program, change
from baro.apps.people.services import create_company
from baro.apps.quality.models import Product
create_company('archive', '보관', 'Archive')
other = create_company('other', '다른 회사', 'Other company')
with change(Program('tester', other.id), 'a product of its own'):
    Product.objects.create(company=other, code=sys.argv[1], name_ko='', name_en='', label_claim_mg=1)
"""
"""Two companies, one of which has a product with the code of the package's."""

TAKE_IN = """
import django; django.setup()
import json, sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from baro.apps.ledger.archive.accounts import account_id, account_name
from baro.apps.ledger.archive.replay import check_records
from baro.apps.ledger.log import log_key
from baro.apps.ledger.models import AuditEntry, ImportedPackage
from baro.apps.ledger.services import Program, reading
from baro.apps.ledger.signing import check_all
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, Protocol, ValidationRun
from baro.apps.pat.services import deployment_holds, model_is_approved
from baro.apps.people.queries import company_of
from baro.apps.plant.models import Instrument
from baro.apps.quality.models import ControlStrategy
from baro.apps.release.online import Online
from baro.apps.release.package import export_batch
from baro.cli import app
from tests.plant import work

lot_no, back, earlier, next_place, next_no, *words = sys.argv[1:]
company = company_of('archive')
found = {}

def baro(*words):
    status, out = 0, StringIO()
    with redirect_stdout(out):
        try:
            app(list(words))
        except SystemExit as end:
            status = end.code
    return [status, out.getvalue()]

def basis():
    with reading(company):
        return {
            'calibrated': [str(i.calibrated_until) for i in Instrument.objects.all()],
            'strategies': sorted([s.version, s.status] for s in ControlStrategy.objects.all()),
        }

with reading(company):
    found['after the cut'] = AuditEntry.objects.exclude(table_name='people_company').count()
found['other'] = baro(*words, '--company', 'other')
found['first'] = baro(*words)
found['second'] = baro(*words)
found['verified'] = baro('verify', 'batch', lot_no)
with reading(company):
    before = AuditEntry.objects.count()
    found['reasons'] = sorted({e.reason for e in AuditEntry.objects.all()})
    found['imported'] = [[p.name, p.sha256, p.taken_by, p.held] for p in ImportedPackage.objects.all()]
    found['signatures'] = sorted({str(finding) for _, finding in check_all()})
work(Online(company))
with reading(company):
    found['by the worker'] = AuditEntry.objects.count() - before
found['records'] = [str(finding) for finding in check_records()]
export_batch(Program('tester', company), lot_no, 'the way back').write(Path(back))
found['key'] = log_key()
words[2] = earlier
found['another'] = baro(*words)
found['before'] = basis()
words[2] = next_place
found['next'] = baro(*words)
if found['next'][0]:
    sys.exit(found['next'][1])
found['after'] = basis()
found['verified again'] = baro('verify', 'batch', lot_no)
found['next verified'] = baro('verify', 'batch', next_no)
with reading(company):
    found['signatures again'] = sorted({str(finding) for _, finding in check_all()})
    model = CalibrationModel.objects.get(method__code='assay-nir')
    protocol, deployment = Protocol.objects.get(), Deployment.objects.get(model=model)
    found['life'] = {
        'model': [str(model.registered_by), model_is_approved(model), model.replaces is None],
        'data sets': sorted([one.code, one.status, one.parts.count()] for one in DataSet.objects.all()),
        'protocol': [protocol.state, account_id(protocol, 'drafted_by'), account_name(protocol, 'drafted_by')],
        'runs': [[run.passed, run.results['figures']['n']] for run in ValidationRun.objects.all()],
        'deployment': [deployment.state, deployment_holds(deployment)],
        'method': [model.method.state, model.method.criteria],
    }
found['records again'] = [str(finding) for finding in check_records()]
export_batch(Program('tester', company), next_no, 'the way back').write(Path(back) / 'next')
print(json.dumps(found))
"""
"""All that happens after an import was cut off, in one process, and what is found then."""


def rows_of(files: dict[str, bytes]) -> dict[str, list[Any]]:
    """Records by table, without what is of an installation: its company, and the numbers that a database gives."""
    tables = {
        name.split("/")[1].removesuffix(".jsonl"): [json.loads(line) for line in content.splitlines()]
        for name, content in files.items()
        if name.startswith("records/")
    }
    blocks = {row["id"]: [row["source"], row["epoch"], row["first_seq"]] for row in tables["historian_block"]}
    tables.pop("people_company")
    for table, rows in tables.items():
        for row in rows:
            row.pop("company_id")
            if isinstance(row["id"], int):
                row.pop("id")
            if table == "historian_segment":
                row["path"] = row["path"].split("/", 1)[1]
                row["blocks"] = sorted(blocks[block] for block in row["blocks"])
    return tables
