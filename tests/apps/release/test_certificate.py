"""The certificate says what was decided, in both languages, as an archivable file, the same every time."""

import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pikepdf
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.apps.ledger.printing import glyphs
from baro.apps.release.certificate import (
    CertificateContent,
    CriteriaNotMet,
    CriterionRow,
    EvidenceRow,
    NotReleased,
    SignatureLine,
    Words,
    criterion_row,
    number,
    render,
)

JUDGED = {
    "key": "assay",
    "kind": "assay_mean",
    "name_ko": "함량",
    "name_en": "Assay",
    "method": "NIR transmission",
    "cqa": True,
    "state": "met",
    "value": 99.4449,
    "unit": "%",
    "low": 95.0,
    "high": 105.0,
    "n": 310,
    "facts": {},
    "needs": None,
    "evidence": {},
}
FORCE = JUDGED | {
    "name_ko": "주압축력",
    "name_en": "Main compression force",
    "method": "press-1/tags",
    "cqa": False,
    "value": 11.25,
    "unit": "kN",
    "low": 8,
    "high": 14,
    "n": 36000,
}
CONTENT = CertificateContent(
    company=Words("바로제약 주식회사", "Baro Pharma Co., Ltd."),
    site=Words("오송 제1공장", "Osong plant 1"),
    time_zone="Asia/Seoul",
    product=Words("바로정 200 mg", "Baro tablets 200 mg"),
    strength="200 mg",
    dosage_form=Words("필름코팅정", "Film-coated tablet"),
    lot_no="24A017",
    manufacturing_date=date(2026, 11, 22),
    lot_started_at=datetime(2026, 11, 22, 0, 0, tzinfo=UTC),
    lot_ended_at=datetime(2026, 11, 22, 8, 5, 9, tzinfo=UTC),
    certificate_number="COA-24A017-1",
    outcome="released",
    criteria=(criterion_row(JUDGED, 1), criterion_row(FORCE, 1)),
    strategy_version="3",
    model_name="tablet-assay",
    model_version="2",
    model_digest="ab" * 32,
    evidence=(EvidenceRow(name=Words("스펙트럼", "Spectra"), count=1310, digest="1f" * 32),),
    verdict_hash="0123456789abcdef" * 4,
    signature=SignatureLine(
        signer="Kim Jiwon",
        role="quality_head",
        meaning="release",
        reason="All criteria met.",
        signed_at=datetime(2026, 11, 22, 16, 9, 30, tzinfo=UTC),
        signature_id="0198f2a4-7c1e-7b52-9f3a-3b1f7a2c9d10",
    ),
    issued_at=datetime(2026, 11, 22, 16, 9, 31, tzinfo=UTC),
    baro_version="0.1.0",
)


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def squash(text: str) -> str:
    """The text without spaces and line ends, which depend on the layout."""
    return "".join(text.split())


def has_hangul(text: str) -> bool:
    return any("가" <= char <= "힣" for char in text)


@pytest.mark.clause("Part 11 11.10(b)", "Part 11 11.50", "Annex 11 8.1", "별표 9 4.4")
def test_the_korean_certificate_says_what_was_decided():
    [text] = pages(render(CONTENT, "ko"))
    for expected in (
        "시험성적서(출하용)",
        "Certificate of Analysis",
        "제조번호 24A017",
        "제조연월일 2026-11-22",
        "바로제약 주식회사",
        "오송 제1공장",
        "필름코팅정",
        "COA-24A017-1",
        "제조 종료 2026-11-22 17:05:09 KST",
        "95.0~105.0 %",
        "99.4 % (n = 310)",
        "시험하는 경우 적합",
        "complies if tested",
        "승인된 실시간 출하 시험(RTRT)으로 관리됨",
        "Controlled by approved Real Time Release Testing",
        "품질(보증)부서 책임자",
        "출하 승인",
        "2026-11-23 01:09:30 KST (UTC+09:00)",
        "판정일 2026-11-23",
        "발행 2026-11-23 01:09:31 KST",
        "All criteria met.",
        "Kim Jiwon",
        "0198f2a4-7c1e-7b52-9f3a-3b1f7a2c9d10",
        "1,310",
        "1 / 1",
        CONTENT.verdict_hash,
        CONTENT.model_digest,
        "1f" * 32,
    ):
        assert expected in text, expected


def test_the_english_certificate_is_english_alone():
    [text] = pages(render(CONTENT, "en"))
    assert not has_hangul(text)
    for expected in (
        "Certificate of Analysis",
        "Baro Pharma Co., Ltd.",
        "Lot number 24A017",
        "95.0–105.0 %",
        "complies if tested",
        "Controlled by approved Real Time Release Testing",
        "Head of quality",
        "Approval of release",
    ):
        assert expected in text, expected


def test_only_quality_attributes_comply_if_tested():
    [text] = pages(render(replace(CONTENT, criteria=(criterion_row(FORCE, 1),)), "en"))
    assert "11.3 kN (n = 36,000) Complies" in text
    assert "complies if tested" not in text
    assert "Real Time Release Testing" not in text


@pytest.mark.clause("Annex 11 17", "별표 9 4.13")
@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_file_can_be_archived(language):
    with pikepdf.open(io.BytesIO(render(CONTENT, language))) as pdf:
        metadata = pdf.open_metadata()
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("2", "A")
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["xmp:CreateDate"] == "2026-11-22T16:09:30+00:00"
        assert [intent.S for intent in pdf.Root.OutputIntents] == ["/GTS_PDFA1"]
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == language
        assert "/StructTreeRoot" in pdf.Root
        assert not pdf.is_encrypted
        dictionaries = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary | pikepdf.Stream)]
        for item in dictionaries:
            assert not {"/JS", "/JavaScript", "/AA", "/OpenAction", "/Launch", "/EmbeddedFile"} & set(item.keys())
            assert item.get("/S") not in {"/JavaScript", "/Launch", "/URI"}
        fonts = [item for item in dictionaries if item.get("/Type") == "/FontDescriptor"]
        assert {str(font.FontName).split("+")[1] for font in fonts} == {"NanumGothic", "NanumGothicBold"}
        assert all("/FontFile2" in font or "/FontFile3" in font for font in fonts)


def test_the_same_content_gives_the_same_bytes_in_another_process():
    program = (
        "import hashlib, runpy, sys\n"
        f"module = runpy.run_path({__file__!r})\n"
        "print(*(hashlib.sha256(module['render'](module['CONTENT'], language)).hexdigest()"
        " for language in ('ko', 'en')), 'matplotlib' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "America/New_York"},
        cwd=os.path.sep,
    )
    here = [hashlib.sha256(render(CONTENT, language)).hexdigest() for language in ("ko", "en")]
    assert here == [hashlib.sha256(render(CONTENT, language)).hexdigest() for language in ("ko", "en")]
    assert answer.stdout.split() == [*here, "False"]


def test_other_content_gives_other_bytes():
    assert render(CONTENT, "ko") != render(replace(CONTENT, lot_no="24A018"), "ko")


@pytest.mark.parametrize("outcome", ["rejected", "on_hold"])
def test_a_lot_that_is_not_released_has_no_certificate(outcome):
    with pytest.raises(NotReleased):
        render(replace(CONTENT, outcome=outcome), "ko")


@pytest.mark.parametrize("state", ["not_met", "needs_review", "collecting"])
def test_a_criterion_that_is_not_met_forbids_the_certificate(state):
    row = replace(CONTENT.criteria[1], state=state)
    with pytest.raises(CriteriaNotMet) as caught:
        render(replace(CONTENT, criteria=(CONTENT.criteria[0], row)), "ko")
    assert caught.value.facts["criteria"] == "Main compression force"


def test_a_release_without_criteria_has_no_certificate():
    with pytest.raises(CriteriaNotMet):
        render(replace(CONTENT, criteria=()), "en")


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        render(replace(CONTENT, issued_at=datetime(2026, 11, 22)), "en")  # noqa: DTZ001


@pytest.mark.parametrize(
    ("language", "head", "note"),
    [
        ("ko", "시험항목 및 시험방법", "승인된 실시간 출하 시험(RTRT)으로 관리됨"),
        ("en", "Test and method", "Controlled by approved Real Time Release Testing"),
    ],
)
def test_forty_criteria_repeat_head_and_note_on_every_page(language, head, note):
    name = Words("아주 긴 이름을 가진 공정 중 품질 특성의 판정 항목 " * 4, "A quality attribute of a long name " * 5)
    rows = tuple(replace(CONTENT.criteria[0], name=name, method=f"method-{position:02}") for position in range(40))
    company = Words("긴이름제약" * 40, "Pharmaceutical" * 14)
    texts = pages(render(replace(CONTENT, criteria=rows, company=company), language))
    assert len(texts) > 3
    for position, text in enumerate(texts, start=1):
        assert f"{position} / {len(texts)}" in text
        assert "COA-24A017-1" in text
        assert "24A017" in text
        assert "0123456789abcdef…" in text
        if "method-" in text:
            assert head in text
            assert note in text
    everything = "".join(texts)
    assert all(everything.count(f"method-{position:02}") == 1 for position in range(40))
    assert company[language == "en"] in squash(everything)


MARKUP = st.text("#$@\\\"'*_`<>[](){}~-/=+ \nA가", max_size=12) | st.sampled_from(
    ["#panic()", "#sys.inputs", "#let x = 1", "$x^2$", "@key", "<key>", "```", "\\u{41}", "/*", "//", "1. ", '"}']
)


@settings(max_examples=40, deadline=None)
@given(st.lists(MARKUP, min_size=1, max_size=25).map("".join).filter(str.strip))
def test_markup_in_a_value_is_printed_as_it_is(value):
    content = replace(CONTENT, product=Words(value, value), signature=replace(CONTENT.signature, reason=value))
    text = squash("".join(pages(render(content, "ko"))))
    assert text.count(squash(value)) >= 2
    assert "시험하는경우적합" in text


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(1, 60))
def test_no_text_breaks_the_certificate(value, repeats):
    row = CriterionRow(
        name=Words(value, value),
        method=value,
        limits=Words(value, value),
        result=Words(value * 3, value),
        state="met",
        cqa=True,
    )
    content = replace(
        CONTENT,
        company=Words(value, value),
        lot_no=value,
        criteria=(row,),
        verdict_hash=value,
        baro_version=value,
        signature=replace(CONTENT.signature, reason=value * repeats, role=value, signer=value),
    )
    assert "시험하는 경우 적합" in "".join(pages(render(content, "ko")))


def test_every_character_held_to_be_printable_is_printable():
    content = replace(CONTENT, signature=replace(CONTENT.signature, reason="".join(sorted(glyphs()))))
    assert "[U+" not in "".join(pages(render(content, "ko")))


def test_a_character_without_a_glyph_is_named_and_explained():
    content = replace(CONTENT, signature=replace(CONTENT.signature, reason="ok 🎉 µ −1 \u202e\u1112\u1161\u11ab"))
    text = pages(render(content, "en"))[0]
    assert "ok [U+1F389] μ -1 [U+202E]한" in text
    assert "[U+…] gives the Unicode number" in text


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (99.45, 1, "99.5"),
        (2.675, 2, "2.68"),
        (0.5, 0, "1"),
        (-0.04, 1, "0.0"),
        (-1.25, 1, "-1.3"),
        (36000, 0, "36,000"),
        (1e-7, 2, "0.00"),
    ],
)
def test_numbers_are_rounded_as_the_pharmacopoeia_rounds(value, decimals, expected):
    assert number(value, decimals) == expected


@pytest.mark.parametrize(
    ("low", "high", "limits"),
    [
        (95.0, 105.0, Words("95.0~105.0 %", "95.0–105.0 %")),
        (95.0, None, Words("95.0 % 이상", "≥ 95.0 %")),
        (None, 15, Words("15.0 % 이하", "≤ 15.0 %")),
        (None, None, Words("적합하여야 함", "Must comply")),
    ],
)
def test_limits_are_said_as_the_language_says_them(low, high, limits):
    row = criterion_row(JUDGED | {"low": low, "high": high}, 1)
    assert Words(*(text.replace("\u00a0", " ") for text in row.limits)) == limits


def test_a_criterion_without_a_number_complies():
    row = criterion_row(JUDGED | {"value": None, "n": 0}, 1)
    assert row.result == Words("적합", "Complies")
