"""The certificate of analysis (시험성적서, 출하용) of a released lot, as PDF/A.

`render` is a pure function of what was decided: equal content gives equal bytes on any machine, as long as the
typst and font wheels are the same. Under real time release testing a quality attribute is not tested on the
finished product; the certificate then says "complies if tested" with the note "Controlled by approved Real
Time Release Testing" (EMA/CHMP/QWP/811210/2009-Rev1).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import segno
import typst
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.printing import STANDARDS, fonts, printable

Language = Literal["ko", "en"]

TEMPLATE = Path(__file__).parent / "typst" / "certificate.typ"


class NotReleased(BaroError):
    code = "REL-0101"
    status = 409
    message = _("Lot %(lot)s is not released, so it has no certificate of analysis.")
    advice = _("A certificate is issued when the head of quality approves the release.")


class CriteriaNotMet(BaroError):
    code = "REL-0102"
    status = 409
    message = _("Lot %(lot)s does not meet every release criterion, so it has no certificate of analysis.")
    advice = _("Look at the verdict of the lot: %(criteria)s.")


class Words(NamedTuple):
    """One text in both languages."""

    ko: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionRow:
    """One release criterion as printed.

    `state` is a `CriterionState`; `cqa` marks a quality attribute, for which RTRT stands in for a test.
    """

    name: Words
    method: str
    limits: Words
    result: Words
    state: str
    cqa: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """Records behind the verdict: how many (None: not a number of records) and their SHA-256 root."""

    name: Words
    count: int | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLine:
    """The signature of the decision. `role` and `meaning` are codes of `people.roles` and `ledger.models`."""

    signer: str
    role: str
    meaning: str
    reason: str
    signed_at: datetime
    signature_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateContent:
    """Everything a certificate says. Times are aware; they are shown in the site's `time_zone` (IANA name).

    `proof` is the newest checkpoint of the log when the certificate was issued, for the printed code.
    `outcome` is an `Outcome`; digests and `verdict_hash` are hexadecimal SHA-256.
    """

    company: Words
    site: Words
    time_zone: str
    product: Words
    strength: str
    dosage_form: Words
    lot_no: str
    manufacturing_date: date
    lot_started_at: datetime
    lot_ended_at: datetime
    certificate_number: str
    outcome: str
    criteria: tuple[CriterionRow, ...]
    strategy_version: str
    model_name: str
    model_version: str
    model_digest: str
    evidence: tuple[EvidenceRow, ...]
    verdict_hash: str
    signature: SignatureLine
    issued_at: datetime
    baro_version: str
    proof: str = ""


def number(value: float, decimals: int) -> str:
    """`value` at the decimals of the specification, halves away from zero (USP 7.20), with commas."""
    shown = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return f"{abs(shown) if shown.is_zero() else shown:,f}"


def criterion_row(judged: Mapping[str, Any], decimals: int) -> CriterionRow:
    """The printed row of one item of `Verdict.criteria`; the record keeps its own, unrounded values."""
    unit = f"\u00a0{judged['unit']}" if judged["unit"] else ""
    low, high = (None if judged[end] is None else number(judged[end], decimals) for end in ("low", "high"))
    match low, high:
        case None, None:
            limits = Words("적합하여야 함", "Must comply")
        case _, None:
            limits = Words(f"{low}{unit} 이상", f"≥\u00a0{low}{unit}")
        case None, _:
            limits = Words(f"{high}{unit} 이하", f"≤\u00a0{high}{unit}")
        case _:
            limits = Words(f"{low}~{high}{unit}", f"{low}–{high}{unit}")
    if judged["value"] is None:
        result = CONCLUSION
    else:
        units = f" (n\u00a0=\u00a0{judged['n']:,})" if judged["n"] else ""
        text = f"{number(judged['value'], decimals)}{unit}{units}"
        result = Words(text, text)
    return CriterionRow(
        name=Words(judged["name_ko"], judged["name_en"]),
        method=judged["method"],
        limits=limits,
        result=result,
        state=judged["state"],
        cqa=judged["cqa"],
    )


def render(content: CertificateContent, language: Language) -> bytes:
    """The certificate in `language` as PDF/A-2a and PDF/UA-1, dated with the signature.

    Raises `NotReleased` unless the decision is a release, `CriteriaNotMet` unless there are criteria and
    each is met, `ValueError` on a time without a zone.
    """
    if content.outcome != "released":
        raise NotReleased(lot=content.lot_no)
    unmet = [row.name for row in content.criteria if row.state != "met"]
    if unmet or not content.criteria:
        raise CriteriaNotMet(lot=content.lot_no, criteria=", ".join(name.en for name in unmet))
    page = _page(content, language)
    page = printable(page) | {"code": page["code"]}
    if "[U+" in json.dumps(page):
        page["notes"].append(_say(UNPRINTABLE, language))
    return typst.compile(
        TEMPLATE,
        root=TEMPLATE.parent,
        font_paths=fonts(),
        sys_inputs={"page": json.dumps(page)},
        pdf_standards=STANDARDS,
        timestamp=int(content.signature.signed_at.timestamp()),
    )


TITLE = Words("시험성적서(출하용)", "Certificate of Analysis")
COMPLIES_IF_TESTED = Words("시험하는 경우 적합", "complies if tested")
CONCLUSION = Words("적합", "Complies")
RTRT_NOTE = Words("승인된 실시간 출하 시험(RTRT)으로 관리됨", "Controlled by approved Real Time Release Testing")
STATEMENT = Words(
    "위 제조단위는 승인된 관리전략에 따라 제조·관리되었고 모든 출하 판정 항목에 적합하여 출하를 승인합니다.",
    "This lot was made and controlled under the approved control strategy, meets every release criterion "
    "and is approved for release.",
)
BOUND = Words(
    "전자서명은 위 판정 내용의 SHA-256에 결부되어 있습니다. 결과는 기준의 자릿수로 표시하였으며 "
    "기록에는 반올림하지 않은 값이 보존됩니다.",
    "The electronic signature is bound to the SHA-256 of the verdict given above. Results are shown at the "
    "decimals of the specification; the record keeps them unrounded.",
)
CODE = Words("확인용 코드(QR)", "Code for checking (QR)")
CODE_NOTE = Words(
    "QR에는 문서번호, 판정 내용의 SHA-256, 발행 당시 감사 추적 원장의 최신 체크포인트가 들어 있습니다. "
    "이 파일은 문서 봉인(PAdES)으로 서명되어 있어 한 바이트라도 바뀌면 무효가 됩니다.",
    "The QR code holds the document number, the SHA-256 of the verdict and the newest checkpoint of the audit "
    "trail's log when it was issued. The file is sealed (PAdES): a single changed byte makes the seal invalid.",
)
UNPRINTABLE = Words(
    "[U+…]는 인쇄 서체에 없는 문자의 유니코드 번호입니다.",
    "[U+…] gives the Unicode number of a character that the typeface of this print does not have.",
)
ROLES = {"quality_head": Words("품질(보증)부서 책임자", "Head of quality")}
MEANINGS = {"release": Words("출하 승인", "Approval of release")}
LABELS = {
    "results": Words("시험 결과", "Results"),
    "number": Words("번호", "No."),
    "item": Words("시험항목 및 시험방법", "Test and method"),
    "limits": Words("기준", "Acceptance criteria"),
    "result": Words("결과", "Result"),
    "conclusion": Words("항목별 적부", "Conclusion"),
    "mark": Words("1)", "1)"),
    "evidence": Words("근거 자료", "Evidence"),
    "source": Words("기록", "Records"),
    "count": Words("건수", "Count"),
    "digest": Words("SHA-256", "SHA-256"),
    "signature": Words("판정 및 전자서명", "Decision and electronic signature"),
    "certificate_number": Words("문서번호", "Document no."),
    "lot_no": Words("제조번호", "Lot no."),
    "issued_at": Words("발행", "Issued"),
    "verdict": Words("판정 내용 SHA-256", "Verdict SHA-256"),
}


def code_text(content: CertificateContent) -> str:
    """What the printed code says: the certificate, the verdict's hash, and the checkpoint of the log."""
    return "\n".join(filter(None, (content.certificate_number, content.verdict_hash, content.proof)))


def _code(content: CertificateContent) -> str:
    """The printed code (QR, ISO/IEC 18004) as SVG."""
    out = io.BytesIO()
    segno.make_qr(code_text(content), error="m").save(out, kind="svg", border=4, xmldecl=False, svgns=True)
    return out.getvalue().decode()


def _say(words: Words, language: Language) -> str:
    return words.ko if language == "ko" else words.en


def _page(content: CertificateContent, language: Language) -> dict[str, Any]:
    """What the template prints: texts in their order, nothing left to decide but the layout."""
    zone = ZoneInfo(content.time_zone)
    signature = content.signature

    def say(words: Words) -> str:
        return _say(words, language)

    def law(words: Words) -> list[str]:
        """A term whose wording the law gives: Korean with the English under it, or English alone."""
        return [words.ko, words.en] if language == "ko" else [words.en]

    def time(moment: datetime) -> str:
        if moment.utcoffset() is None:
            raise ValueError(f"{moment} has no time zone")
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"

    def fact(ko: str, en: str, value: str | list[str], wide: bool = False) -> tuple[str, list[str], bool]:
        return say(Words(ko, en)), [value] if isinstance(value, str) else value, wide

    def code(table: Mapping[str, Words], key: str) -> str:
        return say(table[key]) if key in table else key

    signed_at = time(signature.signed_at)
    local = signature.signed_at.astimezone(zone)
    none = say(Words("해당 없음", "Not applicable"))
    model = f"{content.model_name}\u00a0{content.model_version}"
    evidence = [
        (say(Words("판정 내용", "Verdict")), none, content.verdict_hash),
        (say(Words(f"검량 모델 {model}", f"Calibration model {model}")), none, content.model_digest),
        *((say(row.name), none if row.count is None else f"{row.count:,}", row.digest) for row in content.evidence),
    ]
    return {
        "language": language,
        "labels": {key: say(words) for key, words in LABELS.items()},
        "document_title": f"{say(TITLE)} {content.certificate_number}",
        "title": law(TITLE),
        "company": say(content.company),
        "product": say(content.product),
        "lot_no": content.lot_no,
        "certificate_number": content.certificate_number,
        "short_digest": f"{content.verdict_hash[:16]}…",
        "issued_at": time(content.issued_at),
        "baro_version": content.baro_version,
        "facts": [
            fact("제품명", "Product", say(content.product), wide=True),
            fact("표시량", "Strength", content.strength),
            fact("제형", "Dosage form", say(content.dosage_form)),
            fact("제조번호", "Lot number", content.lot_no),
            fact("제조연월일", "Date of manufacture", content.manufacturing_date.isoformat()),
            fact("제조 시작", "Lot started", time(content.lot_started_at)),
            fact("제조 종료", "Lot ended", time(content.lot_ended_at)),
            fact("제조업자", "Manufacturer", say(content.company)),
            fact("제조소", "Manufacturing site", say(content.site)),
            fact("문서번호", "Document number", content.certificate_number),
            fact("관리전략", "Control strategy", say(Words("버전 ", "Version ")) + content.strategy_version),
            fact("판정일", "Date of decision", local.date().isoformat()),
            fact("판정결과", "Decision", say(Words("적합, 출하 승인", "Complies, released"))),
        ],
        "criteria": [
            {
                "name": say(row.name),
                "method": row.method,
                "limits": say(row.limits),
                "result": say(row.result),
                "conclusion": law(COMPLIES_IF_TESTED) if row.cqa else [say(CONCLUSION)],
                "by_rtrt": row.cqa,
            }
            for row in content.criteria
        ],
        "rtrt_note": law(RTRT_NOTE) if any(row.cqa for row in content.criteria) else [],
        "evidence": [{"name": name, "count": count, "digest": digest} for name, count, digest in evidence],
        "statement": say(STATEMENT),
        "signature": [
            fact("서명자", "Signer", signature.signer),
            fact("직책", "Role", code(ROLES, signature.role)),
            fact("서명의 의미", "Meaning", code(MEANINGS, signature.meaning), wide=True),
            fact("서명 시각", "Signed at", f"{signed_at} (UTC{local.isoformat()[-6:]})", wide=True),
            fact("사유", "Reason", signature.reason, wide=True),
            fact("서명 번호", "Signature id", signature.signature_id, wide=True),
        ],
        "notes": [say(BOUND)],
        "code": _code(content),
        "code_label": say(CODE),
        "code_note": say(CODE_NOTE),
    }
