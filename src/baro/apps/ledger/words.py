"""What tables of the trail are called."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TABLES: dict[str, str | Promise] = {
    "historian_axis": _("spectral axis"),
    "historian_event": _("event"),
    "historian_gap": _("gap"),
    "historian_segment": _("sealed file"),
    "ledger_accountability": _("statement on electronic signatures"),
    "ledger_auditreview": _("audit trail review"),
    "ledger_installationsetting": _("setting"),
    "ledger_signature": _("signature"),
    "ledger_trailexport": _("export of the trail"),
    "manufacturing_lot": _("lot"),
    "pat_calibrationmodel": _("calibration model"),
    "pat_predictionblock": _("predictions"),
    "people_assignment": _("role of a person"),
    "people_company": _("company"),
    "people_signin": _("sign-in"),
    "people_site": _("site"),
    "people_user": _("user"),
    "plant_equipment": _("equipment"),
    "plant_instrument": _("instrument"),
    "plant_tag": _("process value"),
    "quality_controlstrategy": _("control strategy"),
    "quality_product": _("product"),
    "quality_releasecriterion": _("release criterion"),
    "release_certificate": _("certificate"),
    "release_decision": _("decision"),
    "release_verdict": _("verdict"),
}


def table_word(table: str) -> str:
    """The name of a kind of record; of one without a word of its own, the table's."""
    return str(TABLES.get(table, table))
