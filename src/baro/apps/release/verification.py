"""`baro verify`: a lot's verdict computed again from its raw spectra, and compared bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np

import baro
from baro.apps.ledger.archive.importing import imported
from baro.apps.ledger.models import ImportedPackage, Signature
from baro.apps.ledger.services import reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.checking import check_predictions
from baro.apps.pat.predictions import PredictionTable, joined, tabulate
from baro.apps.pat.services import operator_for
from baro.apps.quality.services import strategy_is_approved
from baro.apps.release.certificate import Words, render
from baro.apps.release.certificates import content_of
from baro.apps.release.errors import LotUnknown
from baro.apps.release.gathering import gather, historian
from baro.apps.release.judging import Missing
from baro.apps.release.models import Certificate, Decision, Verdict
from baro.apps.release.services import final_verdict
from baro.apps.release.verdicts import Basis, Judged, verdict_hash
from baro.config import config
from baro.historian.errors import HistorianError
from baro.historian.store import SpectraTable
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.errors import ScienceError


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was. `where` names it; `expected` and `found` are digests or values."""

    what: str
    where: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        values = f": expected {self.expected}, found {self.found}" if self.expected or self.found else ""
        return f"{self.what}, {self.where}{values}"


@dataclass
class Verification:
    """What was checked of a lot. `result` is the SHA-256 over everything that was computed again."""

    lot_no: str
    spectra: int = 0
    samples: int = 0
    state: str = ""
    result: str = ""
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.differences


def verify_batch(company: UUID, lot_no: str, block_size: int | None = None) -> Verification:
    """Compute the verdict of a complete lot again: from raw spectra, by the model named in its strategy.

    block_size: how many spectra are predicted at a time; it makes no difference, and that is the point.
    Raises LotUnknown.
    """
    with reading(company):
        lots = Lot.objects.select_related("company", "product", "strategy", "equipment__site")
        lot = lots.filter(lot_no=lot_no).first()
        if lot is None:
            raise LotUnknown(lot=lot_no)
        report = Verification(lot_no)
        report.differences += _storage(lot)
        try:
            _recompute(lot, report, block_size)
        except (HistorianError, ScienceError) as error:
            report.differences.append(Difference("cannot be computed again", f"lot {lot_no}", found=str(error)))
        origin = imported("manufacturing.Lot", lot.id)
        if origin is not None:
            report.differences += _kept(lot, origin)
            report.notes.append(f"imported from {origin.origin}; the certificates are sealed with the keys of there")
        report.differences += _signatures(lot, origin)
    return report


def _storage(lot: Lot) -> Iterator[Difference]:
    """Every stored observation against its digest, hot and sealed, and every stored block of predictions."""
    for finding in historian(lot.company_id).check(lot.lot_no):
        tablets = f", tablet {', '.join(finding.samples)}" if finding.samples else ""
        run = f"{finding.seq}" if finding.seq == finding.last_seq else f"{finding.seq}-{finding.last_seq}"
        where = f"lot {lot.lot_no}{tablets}, {finding.source} {finding.epoch}/{run} in {finding.place}"
        yield Difference(f"stored {finding.kind}", where, finding.expected, finding.found)
    for wrong in check_predictions(lot.company_id, lot.lot_no):
        yield Difference("stored predictions", wrong)


def _recompute(lot: Lot, report: Verification, block_size: int | None) -> None:
    basis = Basis.of(lot)
    verdict = final_verdict(lot)
    then = basis.as_of(verdict.evidence["master_data"]) if verdict else basis
    gathered = gather(then)
    spectra = historian(lot.company_id).spectra(lot=lot.lot_no)
    # what an analyser measured on which the model was not in force, or that failed a check, is no evidence
    spectra = spectra.of(np.array([then.counts(source) for source in spectra.source], bool))
    again = predict_again(operator_for(basis.model.digest), spectra, block_size)
    report.spectra = len(spectra)
    report.differences += _compare(lot, gathered.predictions, again)
    gaps = Missing(**verdict.evidence["gaps"]) if verdict else gathered.stored.gaps
    stored = replace(gathered.stored, gaps=gaps)
    found = replace(gathered, stored=stored, predictions=again).judged(then, complete=True)
    report.samples = found.evidence["samples"]["count"]
    report.state = str(found.state)
    report.result = hashlib.sha256(f"{again.hash()}{found.content_hash}".encode()).hexdigest()
    report.differences += _verdict(lot, verdict, found)
    if not strategy_is_approved(lot.strategy):
        named = f"lot {lot.lot_no}, control strategy {lot.strategy}"
        report.differences.append(Difference("approved content", named, found=basis.strategy_hash))
    if basis.frozen() != then.frozen():
        report.notes.append("the master data have changed since the verdict; it was recomputed with those of its time")
    if gaps != gathered.stored.gaps:
        report.notes.append("a gap was closed or added since the verdict; it was recomputed with those of its time")


def predict_again(operator: OnlineOperator, spectra: SpectraTable, block_size: int | None = None) -> PredictionTable:
    """Predictions of stored spectra, `block_size` at a time (all at once when None)."""
    size = block_size or max(1, len(spectra))
    return joined(
        tabulate(
            operator,
            seq=spectra.seq[i : i + size],
            sample=spectra.sample[i : i + size],
            quality=spectra.quality[i : i + size],
            spectra=np.ascontiguousarray(spectra.spectra[i : i + size]),
            digests=[bytes(row) for row in spectra.digests[i : i + size]],
        )
        for i in range(0, len(spectra), size)
    )


def _compare(lot: Lot, stored: PredictionTable, again: PredictionTable) -> Iterator[Difference]:
    """The first bit that differs, tablet by tablet."""
    if len(stored) != len(again):
        yield Difference("number of predictions", f"lot {lot.lot_no}", str(len(stored)), str(len(again)))
        return
    for name in ("seq", "quality", "status", "inside", "value", "t2", "q"):
        old, new = getattr(stored, name), getattr(again, name)
        differs = old.view(f"V{old.itemsize}") != new.astype(old.dtype).view(f"V{old.itemsize}")
        for i in np.flatnonzero(differs):
            where = f"lot {lot.lot_no}, tablet {again.sample[i]}, sequence {again.seq[i]}"
            yield Difference(f"predicted {name}", where, str(old[i]), str(new[i]))
    for i, (old_digest, new_digest) in enumerate(zip(stored.digest, again.digest, strict=True)):
        if old_digest != new_digest:
            where = f"lot {lot.lot_no}, tablet {again.sample[i]}, sequence {again.seq[i]}"
            yield Difference("spectrum that was predicted", where, old_digest.hex(), new_digest.hex())


def _verdict(lot: Lot, verdict: Verdict | None, found: Judged) -> Iterator[Difference]:
    where = f"lot {lot.lot_no}, verdict"
    if verdict is None:
        yield Difference("no final verdict", where)
        return
    recorded = verdict_hash(lot.lot_no, verdict.state, verdict.criteria, verdict.evidence)
    if recorded != verdict.content_hash:
        yield Difference("verdict changed after it was recorded", where, verdict.content_hash, recorded)
    for old, new in zip(verdict.criteria, found.criteria, strict=False):
        if old != new:
            before, after = (f"{c.get('state')} {c.get('value')} {c.get('evidence')}" for c in (old, new))
            yield Difference("criterion", f"lot {lot.lot_no}, criterion {old.get('key')}", before, after)
    if verdict.content_hash != found.content_hash:
        yield Difference("verdict", where, verdict.content_hash, found.content_hash)


def _kept(lot: Lot, origin: ImportedPackage) -> Iterator[Difference]:
    """The package that an imported lot came with, against its digest."""
    where = f"lot {lot.lot_no}, {origin.path}"
    try:
        with (config().data_dir / origin.path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = error.strerror or str(error)
    if found != origin.sha256:
        yield Difference("imported package", where, origin.sha256, found)


def _signatures(lot: Lot, origin: ImportedPackage | None) -> Iterator[Difference]:
    """Each decision's signature against what it signed, each certificate against its SHA-256."""
    for decision in Decision.objects.filter(lot=lot).select_related("signature", "verdict"):
        signature: Signature = decision.signature
        where = f"lot {lot.lot_no}, signature of {signature.signer_name}"
        finding = check(signature, decision.verdict_id)
        if finding is not Finding.VALID:
            yield Difference("signed content", where, "valid", finding.value)
        for certificate in decision.certificates.all():
            named = f"lot {lot.lot_no}, certificate {certificate.number} ({certificate.language})"
            yield from _certificate(decision, certificate, named, origin)


def _certificate(
    decision: Decision, certificate: Certificate, named: str, origin: ImportedPackage | None
) -> Iterator[Difference]:
    from baro.apps.ledger.sealing import SealFinding, look  # see `certificates.sealed`

    # one that came with a package is sealed by the installation that issued it, and the package's log proves it
    good = {SealFinding.VALID} if origin is None else {SealFinding.VALID, SealFinding.OTHER_KEY}
    pdf = bytes(certificate.pdf)
    digest = hashlib.sha256(pdf).hexdigest()
    if digest != certificate.sha256:
        yield Difference("certificate", named, certificate.sha256, digest)
    elif (found := look(pdf)) not in good:
        yield Difference("seal of the certificate", named, "valid", found.value)
    elif certificate.version == baro.__version__ and look(pdf, _rendered(decision, certificate, origin)) not in good:
        yield Difference("certificate says something else than the decision", named, found=digest)


def _rendered(decision: Decision, certificate: Certificate, origin: ImportedPackage | None) -> bytes:
    """The certificate as the records would give it now: the same version gives the same bytes, before the seal."""
    company = Words(origin.held["company"]["name_ko"], origin.held["company"]["name_en"]) if origin else None
    content = content_of(decision, decision.signature.signed_at, certificate.version, certificate.proof, company)
    return render(content, certificate.language)
