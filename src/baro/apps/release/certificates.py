"""What a decision says, put into the words of its certificate."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from baro.apps.release.certificate import (
    MEANINGS,
    CertificateContent,
    EvidenceRow,
    Language,
    SignatureLine,
    Words,
    criterion_row,
    render,
)
from baro.apps.release.models import Decision


def content_of(
    decision: Decision, issued_at: datetime, version: str, proof: str, company: Words | None = None
) -> CertificateContent:
    """The content of the certificate of a signed decision; `proof`: the checkpoint it names.

    company: the name of who issued it, where that is not the company that keeps the lot now.
    """
    lot, verdict, signature = decision.lot, decision.verdict, decision.signature
    product, site = lot.product, lot.equipment.site
    evidence = verdict.evidence
    strength = f"{product.label_claim_mg.normalize():f} mg"
    return CertificateContent(
        company=company or Words(lot.company.name_ko, lot.company.name_en),
        site=Words(site.name_ko, site.name_en),
        time_zone=site.time_zone,
        product=Words(product.name_ko, product.name_en),
        strength=f"{product.substance} {strength}",
        dosage_form=Words(product.dosage_form_ko, product.dosage_form_en),
        lot_no=lot.lot_no,
        manufacturing_date=lot.started_at.astimezone(ZoneInfo(site.time_zone)).date(),
        lot_started_at=lot.started_at,
        lot_ended_at=lot.ended_at,
        certificate_number=f"COA-{lot.lot_no}",
        outcome=decision.outcome,
        criteria=tuple(criterion_row(c, c["decimals"]) for c in verdict.criteria),
        strategy_version=str(lot.strategy.version),
        model_name=evidence["model"]["name"],
        model_version=str(evidence["model"]["version"]),
        model_digest=evidence["model"]["digest"],
        evidence=(
            EvidenceRow(
                name=Words("스펙트럼", "Spectra"),
                count=evidence["spectra"]["count"],
                digest=evidence["spectra"]["root"],
            ),
            EvidenceRow(
                name=Words("예측값", "Predictions"),
                count=evidence["predictions"]["count"],
                digest=evidence["predictions"]["root"],
            ),
            EvidenceRow(
                name=Words("공정 데이터", "Process data"),
                count=evidence["samples"]["count"],
                digest=evidence["samples"]["root"],
            ),
        ),
        verdict_hash=verdict.content_hash,
        signature=SignatureLine(
            signer=signature.signer_name,
            role=signature.signer_role,
            meaning=signature.meaning,
            reason=signature.reason,
            signed_at=signature.signed_at,
            signature_id=str(signature.id),
        ),
        issued_at=issued_at,
        baro_version=version,
        proof=proof,
    )


def sealed(content: CertificateContent, language: Language) -> bytes:
    """The certificate as it is issued: rendered, then sealed in the name of who signed the decision.

    Raises SealFailed and what `render` raises.
    """
    # pyHanko, which comes with it, takes a sixth of a program's start, and most programs have to do with no seal
    from baro.apps.ledger.sealing import Sealing, seal

    signature, site = content.signature, content.site
    meaning = MEANINGS.get(signature.meaning, Words(signature.meaning, signature.meaning))
    if language == "ko":
        place, why = site.ko, meaning.ko
    else:
        place, why = site.en, meaning.en
    told = Sealing(signature.signer, f"{why}: {signature.reason}", place, signature.signed_at)
    return seal(render(content, language), told)
