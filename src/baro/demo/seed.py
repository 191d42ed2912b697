"""What the demo's plant knows before the first tablet: company, accounts, equipment, model, strategy, lots.

Accounts are named after their roles; they belong to nobody.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from baro.apps.ledger.services import Program, accept_accountability, change, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import plan_lot
from baro.apps.pat.artefacts import shipped_model
from baro.apps.pat.models import CalibrationModel, Deployment
from baro.apps.pat.services import approve_deployment, approve_model, register_model, request_deployment
from baro.apps.people.models import Company, Site, User
from baro.apps.people.roles import Role
from baro.apps.people.services import create_company, create_user
from baro.apps.plant.connections.services import Told, set_up_connection
from baro.apps.plant.inventory.known import prefill
from baro.apps.plant.models import Equipment, Instrument, Tag
from baro.apps.quality.models import CriterionKind, Product
from baro.apps.quality.services import CriterionDraft, approve_strategy, draft_strategy
from baro.config import config
from baro.science.chemometrics.artefact import ModelArtefact
from baro.simulator.tablets import demo_lots

PASSWORD = "baro-demo-2026"  # noqa: S105 - printed on the demo's own start page
ACCOUNTS = {
    "quality1": ("품질부서 책임자 1", "Head of quality 1", Role.QUALITY_HEAD),
    "production1": ("제조부서 책임자 1", "Head of production 1", Role.PRODUCTION_HEAD),
    "operator1": ("작업자 1", "Operator 1", Role.OPERATOR),
    "analyst1": ("시험자 1", "QC analyst 1", Role.ANALYST),
    "science1": ("공정 연구원 1", "Process scientist 1", Role.SCIENTIST),
    "admin1": ("시스템 관리자 1", "System administrator 1", Role.ADMINISTRATOR),
    "admin2": ("시스템 관리자 2", "System administrator 2", Role.ADMINISTRATOR),
}
SIGNERS = ("quality1", "production1", "admin1")
"""Who has accepted the statement on electronic signatures; the others are asked at their first one."""
PRESS, ANALYSER, PLANT = "press-1", "nir-1", "demo-plant"
SPECTRA_SOURCE, TAGS_SOURCE = "nir-1", "press-1"
REASON = "demo plant set up"

TAGS = (
    ("CompressionForce", "압축력", "Compression force", "kN", 13.0, 16.0, 1),
    ("EjectionForce", "방출력", "Ejection force", "N", 180.0, 240.0, 0),
    ("FillDepth", "충전 깊이", "Fill depth", "mm", 9.1, 9.7, 2),
    ("PressSpeed", "타정 속도", "Press speed", "tablets/h", 55_000.0, 65_000.0, 0),
)

CRITERIA = (
    CriterionDraft(
        "assay",
        CriterionKind.ASSAY_MEAN,
        "함량",
        "Assay",
        "NIR, PLS",
        {"low": 95.0, "high": 105.0, "minimum": 100, "decimals": 1},
        critical_quality_attribute=True,
    ),
    CriterionDraft(
        "dosage-uniformity",
        CriterionKind.DOSAGE_UNIFORMITY,
        "제제균일성",
        "Uniformity of dosage units",
        "NIR, USP <905>",
        {"decimals": 1},
        critical_quality_attribute=True,
    ),
    CriterionDraft(
        "dosage-uniformity-large",
        CriterionKind.DOSAGE_UNIFORMITY_LARGE,
        "제제균일성(대량 검체)",
        "Uniformity of dosage units, large sample",
        "NIR, Ph. Eur. 2.9.47",
        {"minimum": 100, "decimals": 1},
        critical_quality_attribute=True,
    ),
    CriterionDraft(
        "model-space",
        CriterionKind.MODEL_SPACE,
        "모델 범위 밖 스펙트럼",
        "Spectra outside the model",
        "T², Q",
        {"high": 10.0, "minimum": 30, "decimals": 1},
    ),
    CriterionDraft(
        "completeness",
        CriterionKind.COMPLETENESS,
        "데이터 완결성",
        "Completeness of the data",
        "AcquisitionCounter",
        {"low": 99.0, "minimum": 100, "decimals": 1},
    ),
    CriterionDraft(
        "compression-force",
        CriterionKind.PROCESS_PARAMETER,
        "압축력",
        "Compression force",
        "10 Hz",
        {"tag": "CompressionForce", "unit": "kN", "low": 13.0, "high": 16.0, "minimum": 100, "minimum_share": 99.0},
    ),
    CriterionDraft(
        "fill-depth",
        CriterionKind.PROCESS_PARAMETER,
        "충전 깊이",
        "Fill depth",
        "10 Hz",
        {
            "tag": "FillDepth",
            "unit": "mm",
            "low": 9.1,
            "high": 9.7,
            "minimum": 100,
            "minimum_share": 99.0,
            "decimals": 2,
        },
    ),
    CriterionDraft(
        "analyser-calibration",
        CriterionKind.INSTRUMENT_STATUS,
        "분석기 교정 상태",
        "Calibration status of the analyser",
        "SOP",
    ),
)


def seed(model: ModelArtefact | None = None, code: str = "", prefix: str = "") -> Company:
    """Set the demo's plant up, once; with another `model`, a strategy that uses it is approved too.

    code: of the company, the configured one when empty. prefix: put before every user name, which are
    unique in an installation.
    """
    company = _company(code or config().company, prefix)
    with reading(company.id):
        quality_head = User.objects.get(username=f"{prefix}quality1")
        product = Product.objects.filter(code="baro-200").first()
        in_force = product and product.strategies.filter(status="approved").first()
    wanted = model or shipped_model()
    if product is None:
        product = _plant(company)
    if in_force is None or in_force.model_digest != wanted.digest:
        _approve(company, quality_head, product, wanted)
    _plan(company, product)
    _connect(company)
    prefill(company.id)
    return company


def _company(code: str, prefix: str) -> Company:
    known = _known(code)
    if known is not None:
        return known
    company = create_company(code, "바로 데모 제약", "Baro demo pharma", site_ko="데모 제조소", site_en="Demo site")
    setup = Program("baro demo", company.id)
    for username, (korean, english, role) in ACCOUNTS.items():
        create_user(
            setup,
            username=prefix + username,
            password=PASSWORD,
            full_name=korean,
            full_name_en=english,
            role=role,
            reason=REASON,
        )
    for username in SIGNERS:
        with reading(company.id):
            user = User.objects.select_related("company").get(username=prefix + username)
        accept_accountability(user, PASSWORD)
    return company


def _known(code: str) -> Company | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [code])
        (found,) = cursor.fetchone()
    if found is None:
        return None
    with reading(found):
        return Company.objects.get(id=found)


def _plant(company: Company) -> Product:
    with change(Program("baro demo", company.id), REASON):
        site = Site.objects.get()
        press = Equipment.objects.create(
            company=company, site=site, code=PRESS, name_ko="타정기 1호", name_en="Tablet press 1"
        )
        Instrument.objects.create(
            company=company,
            equipment=press,
            code=ANALYSER,
            name_ko="근적외선 분석기 1호",
            name_en="NIR analyser 1",
            source=SPECTRA_SOURCE,
            calibrated_until=timezone.localdate() + timedelta(days=180),
        )
        for name, korean, english, unit, low, high, decimals in TAGS:
            Tag.objects.create(
                company=company,
                equipment=press,
                source=TAGS_SOURCE,
                name=name,
                name_ko=korean,
                name_en=english,
                unit=unit,
                normal_low=low,
                normal_high=high,
                decimals=decimals,
            )
        return Product.objects.create(
            company=company,
            code="baro-200",
            name_ko="바로정 200 mg",
            name_en="Baro tablets 200 mg",
            dosage_form_ko="정제",
            dosage_form_en="Tablet",
            substance="Demo substance",
            label_claim_mg=200,
            shelf_life_months=36,
        )


def _approve(company: Company, quality_head: User, product: Product, wanted: ModelArtefact) -> None:
    setup = Program("baro demo", company.id)
    model = register_model(setup, "tablet-assay", "정제 함량(NIR)", "Tablet assay (NIR)", wanted, REASON)
    if model.status != CalibrationModel.Status.APPROVED:
        approve_model(quality_head, PASSWORD, model, "validated on 460 independent tablets")
    _deploy(company, quality_head, model)
    strategy = draft_strategy(setup, product, wanted.digest, CRITERIA, REASON)
    approve_strategy(quality_head, PASSWORD, strategy, "control strategy of the demo product")


def _deploy(company: Company, quality_head: User, model: CalibrationModel) -> None:
    """Have the model in force on the analyser: asked for by the scientist, signed by the head of quality."""
    with reading(company.id):
        instrument = Instrument.objects.get(code=ANALYSER)
        scientist = User.objects.select_related("company").get(
            username=quality_head.username.removesuffix("quality1") + "science1"
        )
    asked = request_deployment(scientist, model, instrument, Deployment.Role.CHAMPION, REASON)
    approve_deployment(quality_head, PASSWORD, asked.id, "validated on 460 independent tablets")


def _connect(company: Company) -> None:
    """The connection of the simulated plant; its port may be another one at each start."""
    with reading(company.id):
        press = Equipment.objects.get(code=PRESS)
    told = Told(
        code=PLANT,
        driver="opcua",
        settings={
            "url": config().opcua_url,
            "security": "None",  # on this machine only
            "analysers": {"NIR-1": SPECTRA_SOURCE},
            "machines": {"Press-1": TAGS_SOURCE},
        },
        name_ko="데모 공정(모의)",
        name_en="Demo plant (simulated)",
        equipment_id=press.id,
    )
    set_up_connection(Program("baro demo", company.id), told, REASON)


def _plan(company: Company, product: Product) -> None:
    with reading(company.id):
        press = Equipment.objects.get(code=PRESS)
        planned = set(Lot.objects.values_list("lot_no", flat=True))
    for lot in demo_lots():
        if lot.number not in planned:
            plan_lot(
                Program("baro demo", company.id), lot.number, product, press, len(lot.tablets), "planned for the demo"
            )
