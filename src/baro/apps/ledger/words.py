"""What tables of the trail and reasons of programs are called."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.naming import one_line

TABLES: dict[str, str | Promise] = {
    "historian_axis": _("spectral axis"),
    "historian_event": _("event"),
    "historian_gap": _("gap"),
    "historian_journal": _("entry of an instrument's journal"),
    "historian_run": _("digest of new blocks"),
    "historian_removed": _("removal of a sealed file"),
    "historian_replaced": _("replaced sealed file"),
    "historian_segment": _("sealed file"),
    "ledger_accountability": _("statement on electronic signatures"),
    "ledger_auditreview": _("audit trail review"),
    "ledger_backup": _("backup"),
    "ledger_exportedpackage": _("exported package"),
    "ledger_importedpackage": _("imported package"),
    "ledger_installationsetting": _("setting"),
    "ledger_legalhold": _("legal hold"),
    "ledger_refusedchange": _("refused change"),
    "ledger_restoredrill": _("restore drill"),
    "ledger_retentionrule": _("retention rule"),
    "ledger_signature": _("signature"),
    "ledger_trailexport": _("export of the trail"),
    "ledger_verificationrun": _("verification"),
    "manufacturing_lot": _("lot"),
    "pat_calibrationmodel": _("calibration model"),
    "pat_predictionblock": _("predictions"),
    "pat_method": _("analytical methods"),
    "pat_dataset": _("data sets"),
    "pat_exclusion": _("excluded samples"),
    "pat_testlook": _("looks at test sets"),
    "pat_search": _("model searches"),
    "pat_protocol": _("protocols of validation"),
    "pat_validationrun": _("runs of validations"),
    "pat_deployment": _("models in use"),
    "pat_paralleltest": _("parallel tests"),
    "pat_healthcheck": _("checks of instruments"),
    "pat_upkeepalarm": _("alarms of models"),
    "pat_transfer": _("transfers of calibrations"),
    "pat_modelchange": _("changes of models"),
    "people_accessreview": _("access review"),
    "people_apitoken": _("API token"),
    "people_assignment": _("role of a person"),
    "people_company": _("company"),
    "people_identity": _("identity at a provider"),
    "people_identityprovider": _("identity provider"),
    "people_passkey": _("passkey"),
    "people_passworduse": _("use of a password"),
    "people_recoverycode": _("recovery code"),
    "people_reviewline": _("line of an access review"),
    "people_rightschange": _("change of rights"),
    "people_signin": _("sign-in"),
    "people_site": _("site"),
    "people_totp": _("authenticator app"),
    "people_user": _("user"),
    "people_websession": _("session"),
    "plant_annotation": _("annotation of a trend"),
    "plant_clockevent": _("event of the clock"),
    "plant_computerisedsystem": _("computerised system"),
    "plant_command": _("command to equipment"),
    "plant_connection": _("connection"),
    "plant_contextinterval": _("interval of a batch or phase"),
    "plant_equipment": _("equipment"),
    "plant_filecheck": _("check of stored files"),
    "plant_findingacknowledgment": _("acknowledged finding"),
    "plant_instrument": _("instrument"),
    "plant_phaserule": _("tag that tells of phases"),
    "plant_systemevaluation": _("evaluation of a system"),
    "plant_systeminterface": _("interface"),
    "plant_tag": _("process value"),
    "plant_trustedcertificate": _("certificate of a server"),
    "quality_controlstrategy": _("control strategy"),
    "quality_product": _("product"),
    "quality_releasecriterion": _("release criterion"),
    "release_certificate": _("certificate"),
    "release_decision": _("decision"),
    "release_latearrival": _("observations after the decision"),
    "release_lateacknowledgment": _("acknowledgment of late observations"),
    "release_verdict": _("verdict"),
}

REASONS = frozenset(
    {
        gettext_noop("API token created"),
        gettext_noop("approved command carried out"),
        gettext_noop("accountability statement accepted"),
        gettext_noop("annotated on the trend"),
        gettext_noop("audit trail exported"),
        gettext_noop("authenticator app enrolled"),
        gettext_noop("authenticator app removed"),
        gettext_noop("backup made"),
        gettext_noop("change of what is fixed"),
        gettext_noop("clock compared"),
        gettext_noop("clock watched"),
        gettext_noop("code of the authenticator app used"),
        gettext_noop("company set up"),
        gettext_noop("demo plant set up"),
        gettext_noop("digests of new blocks"),
        gettext_noop("final verdict"),
        gettext_noop("found by Baro itself"),
        gettext_noop("judged by the control strategy"),
        gettext_noop("language chosen"),
        gettext_noop("linked at the first sign-in by the identity provider"),
        gettext_noop("lot complete"),
        gettext_noop("model watched"),
        gettext_noop("observations came after the final verdict"),
        gettext_noop("observations came after the decision"),
        gettext_noop("observations sealed"),
        gettext_noop("passkey registered"),
        gettext_noop("passkey removed"),
        gettext_noop("passkey used"),
        gettext_noop("password changed"),
        gettext_noop("planned for the demo"),
        gettext_noop("predicted by the approved model"),
        gettext_noop("recovery code used"),
        gettext_noop("recovery codes renewed"),
        gettext_noop("reported by the equipment"),
        gettext_noop("restore drill"),
        gettext_noop("search for a model"),
        gettext_noop("session ended"),
        gettext_noop("settings at the start of the program"),
        gettext_noop("signed in"),
        gettext_noop("stored files checked"),
        gettext_noop("verification of the log"),
    }
)
"""Reasons that Baro itself gives; a person's own words are never translated."""

PARTS: dict[str, str | Promise] = {}
"""Codes that stand in a reason of the form "what: how", such as the outcome of a sign-in; each room adds its own."""


def add_parts(codes: Mapping[str, str | Promise]) -> None:
    """Make the words of a room's codes known, when the room is loaded."""
    PARTS.update(codes)


def reason_words(reason: str) -> str:
    """A reason in the language of the page if Baro gave it, and as it was written if a person did."""
    if reason in REASONS:
        return gettext(reason)
    parts = reason.split(": ")
    if len(parts) == 2 and all(part in PARTS or part in REASONS for part in parts):
        return ": ".join(str(PARTS[part]) if part in PARTS else gettext(part) for part in parts)
    return one_line(reason)


def table_word(table: str) -> str:
    """The name of a kind of record; of one without a word of its own, the table's."""
    return str(TABLES.get(table, table))
