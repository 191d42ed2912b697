"""What of the release room is signed, and how."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.belonging import Records, belongs
from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import Content, signable
from baro.apps.release.models import Decision, Verdict
from baro.apps.release.queries import lot_of, records
from baro.apps.release.services import signed_content


def _verdict(record_id: UUID, signature: Signature | None) -> Content | None:
    """The decision that a signature of a verdict belongs to; without a signature the verdict alone."""
    if signature is None:
        verdict = Verdict.objects.select_related("lot").filter(id=record_id).first()
        return verdict and signed_content(verdict.lot, verdict, "", "")
    decisions = Decision.objects.select_related("lot", "verdict").filter(signature=signature, verdict_id=record_id)
    decision = decisions.first()
    return decision and signed_content(decision.lot, decision.verdict, decision.outcome, decision.reason)


def _lot(lot_no: str) -> Records:
    return records(lot_of(lot_no))


belongs("lot", _lot)
signable("release.Verdict", _("verdict of a lot"), _verdict)
