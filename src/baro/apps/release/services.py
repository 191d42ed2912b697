"""Recording verdicts, deciding on lots, issuing certificates."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import connection
from django.utils import timezone

import baro
from baro.apps.ledger.belonging import records_of
from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.log import LogEmpty, seal_text
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.reviewing import standing
from baro.apps.ledger.services import Actor, Opened, canonical_json, change, sign
from baro.apps.manufacturing.models import Lot
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.services import reauthenticate
from baro.apps.release import errors
from baro.apps.release.certificates import content_of, sealed
from baro.apps.release.gathering import look
from baro.apps.release.models import Certificate, Decision, Outcome, Verdict, VerdictState
from baro.apps.release.verdicts import Basis, Judged, checks_differ, verdict_hash

# what a person may decide, by verdict: a failed real-time release test has no way to a release
ALLOWED: dict[VerdictState, tuple[Outcome, ...]] = {
    VerdictState.COLLECTING: (),
    VerdictState.ELIGIBLE: (Outcome.RELEASED, Outcome.ON_HOLD, Outcome.REJECTED),
    VerdictState.NEEDS_REVIEW: (Outcome.ON_HOLD, Outcome.REJECTED),
    VerdictState.FAILED: (Outcome.REJECTED, Outcome.ON_HOLD),
}
MEANING = {
    Outcome.RELEASED: Meaning.RELEASE,
    Outcome.REJECTED: Meaning.REJECTION,
    Outcome.ON_HOLD: Meaning.HOLD,
}
LANGUAGES = ("ko", "en")


def record_verdict(actor: Actor, lot: Lot, found: Judged, *, final: bool, last: datetime | None) -> Verdict:
    """Add a verdict to the lot's history and tell the pages. The newest final one counts."""
    with change(actor, "judged by the control strategy"):
        verdict = Verdict.objects.create(
            company_id=lot.company_id,
            lot=lot,
            state=found.state,
            final=final,
            criteria=found.criteria,
            evidence=found.evidence,
            content_hash=found.content_hash,
            last_observation_at=last,
        )
        announce(lot, "verdict")
    return verdict


def decide(
    user: User,
    password: str,
    lot_no: str,
    outcome: str,
    reason: str,
    seen_hash: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> Decision:
    """Decide on a complete lot, by electronic signature of the head of quality.

    `seen_hash` is the content hash of the verdict the signer had before their eyes, `opened` the dialog in
    which they signed. A release issues
    the certificate in every language in the same transaction.

    Raises NotPermitted, OtherSite for a role that counts at another site only, WrongPassword, Locked,
    ReasonMissing, LotUnknown, LotNotComplete, OutcomeNotAllowed, AlreadyDecided, RecordChanged, LateData,
    CheckFailed, NotApproved, TrailNotReviewed, SealFailed, and what `sign` raises.
    """
    if not user.may(Permission.DECIDE_RELEASE):
        raise user.why_not(Permission.DECIDE_RELEASE)
    reauthenticate(user, password, address)
    wanted = Outcome(outcome)
    with change(user, reason, Permission.DECIDE_RELEASE):
        lot = Lot.objects.select_for_update(of=("self",)).filter(lot_no=lot_no).first()
        if lot is None:
            raise errors.LotUnknown(lot=lot_no)
        user.need(Permission.DECIDE_RELEASE, lot.equipment.site)
        verdict = final_verdict(lot)
        if lot.state != Lot.State.COMPLETE or verdict is None:
            raise errors.LotNotComplete(lot=lot_no)
        if lot.decisions.exclude(outcome=Outcome.ON_HOLD).exists():
            raise errors.AlreadyDecided(lot=lot_no)
        if wanted not in ALLOWED[VerdictState(verdict.state)]:
            raise errors.OutcomeNotAllowed(lot=lot_no, verdict=VerdictState(verdict.state).label)
        if verdict.content_hash != seen_hash:
            raise RecordChanged
        basis = Basis.of(lot)
        if look(lot).differs_from(verdict.evidence):
            raise errors.LateData(lot=lot_no)
        if checks_differ(basis.failed, verdict.evidence):
            raise errors.CheckFailed(lot=lot_no)
        if wanted is Outcome.RELEASED and not (basis.approved and basis.strategy_hash == _strategy_of(verdict)):
            raise errors.NotApproved(lot=lot_no)
        if wanted is Outcome.RELEASED:
            _trail_reviewed(lot)
        at = timezone.now()
        signature = sign(
            user,
            password,
            record_type="release.Verdict",
            record_id=verdict.id,
            content=signed_content(lot, verdict, wanted, reason),
            meaning=MEANING[wanted],
            reason=reason,
            at=at,
            opened=opened,
        )
        decision = Decision.objects.create(
            company_id=lot.company_id,
            lot=lot,
            verdict=verdict,
            outcome=wanted,
            reason=reason.strip(),
            signature=signature,
        )
        if wanted is Outcome.RELEASED:
            _issue_certificates(decision, at)
        announce(lot, "decision")
    return decision


def _trail_reviewed(lot: Lot) -> None:
    """Has somebody who may reviewed all that is on record of the lot?"""
    found = standing(lot.lot_no, records_of("lot", lot.lot_no))
    if not found.reviewed:
        raise errors.TrailNotReviewed(lot=lot.lot_no, left=found.left)


def final_verdict(lot: Lot) -> Verdict | None:
    """The verdict that counts: the newest final one."""
    return lot.verdicts.filter(final=True).order_by("-recorded_at").first()


def _strategy_of(verdict: Verdict) -> str:
    content: str = verdict.evidence["strategy"]["content"]
    return content


def signed_content(lot: Lot, verdict: Verdict, outcome: str, reason: str) -> dict[str, str]:
    """What the signature of a decision stands for: the verdict as its own fields say it, not as its hash claims."""
    return {
        "lot": lot.lot_no,
        "verdict": str(verdict.id),
        "verdict_hash": verdict.content_hash,
        "verdict_says": verdict_hash(lot.lot_no, verdict.state, verdict.criteria, verdict.evidence),
        "outcome": str(outcome),
        "reason": reason.strip(),
    }


def announce(lot: Lot, what: str) -> None:
    """Tell open pages, when the running transaction is committed, that something of `lot` changed."""
    message = {"company": str(lot.company_id), "lot": lot.lot_no, "what": what}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('baro_live', %s)", [canonical_json(message).decode()])


def _issue_certificates(decision: Decision, at: datetime) -> None:
    try:
        proof = seal_text()
    except LogEmpty:  # the very first entries are not taken in yet
        proof = ""
    for language in LANGUAGES:
        content = content_of(decision, at, baro.__version__, proof)
        pdf = sealed(content, language)
        Certificate.objects.create(
            company_id=decision.company_id,
            decision=decision,
            number=content.certificate_number,
            language=language,
            version=baro.__version__,
            proof=proof,
            pdf=pdf,
            sha256=hashlib.sha256(pdf).hexdigest(),
        )
