"""What a model predicts is evidence only on an analyser on which it is in force; challengers predict in the shadow."""

from __future__ import annotations

import pytest

from baro.apps.ledger.services import Program, reading
from baro.apps.pat.models import CalibrationModel, Deployment, PredictionBlock
from baro.apps.pat.services import (
    approve_deployment,
    end_deployment,
    models_on,
    register_model,
    request_deployment,
    sources_in_force,
)
from baro.apps.plant.models import Instrument
from baro.apps.release.models import VerdictState
from baro.apps.release.verification import verify_batch
from baro.demo.seed import PASSWORD, SPECTRA_SOURCE
from baro.science.chemometrics import artefact
from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.recipe import Recipe
from baro.simulator.tablets import axis, demo_lots
from tests.plant import LOTS, Plant, work


def deployment(plant: Plant) -> Deployment:
    with reading(plant.company):
        return Deployment.objects.select_related("model", "instrument", "approval").get(role="champion")


def test_the_demo_s_model_is_in_force_on_its_analyser(plant: Plant) -> None:
    champion = deployment(plant)
    with reading(plant.company):
        assert sources_in_force(champion.model) == (SPECTRA_SOURCE,)


def test_spectra_of_an_analyser_without_the_model_are_no_evidence(plant: Plant) -> None:
    end_deployment(plant.user("quality1"), deployment(plant).id, "the analyser was repaired")
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert verdict.evidence["unpredicted"] == len(LOTS["A"].tablets)
    assert verdict.evidence["master_data"]["deployed"] == []
    with reading(plant.company):
        assert not PredictionBlock.objects.exists()
    assert verify_batch(plant.company, LOTS["A"].number).equal


def test_a_deployment_that_was_changed_behind_its_signature_does_not_count(plant: Plant, database: str) -> None:
    import psycopg

    champion = deployment(plant)
    with psycopg.connect(database) as owner:
        owner.execute("UPDATE pat_deployment SET requested_at = now() WHERE id = %s", [champion.id])
    with reading(plant.company):
        assert sources_in_force(champion.model) == ()


def test_verdicts_keep_where_the_model_was_in_force(plant: Plant) -> None:
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.ELIGIBLE
    assert verdict.evidence["master_data"]["deployed"] == [SPECTRA_SOURCE]
    end_deployment(plant.user("quality1"), deployment(plant).id, "the analyser goes to another line")
    report = verify_batch(plant.company, LOTS["A"].number)
    assert report.equal, report.differences
    assert any("master data have changed" in note for note in report.notes)


def test_nobody_puts_in_force_what_they_asked_for(plant: Plant) -> None:
    from baro.apps.people.errors import SameHand

    champion = deployment(plant)
    quality = plant.user("quality1")
    end_deployment(quality, champion.id, "tried anew")
    plant.give_role("science1", "quality_head")
    both = plant.user("science1")
    with reading(plant.company):
        instrument, model = Instrument.objects.get(), CalibrationModel.objects.get(id=champion.model_id)
    plant.give_role("science1", "scientist")
    asked = request_deployment(plant.user("science1"), model, instrument, "champion", "tried anew")
    plant.give_role("science1", "quality_head")
    with pytest.raises(SameHand):
        approve_deployment(both, PASSWORD, asked.id, "my own")


def test_a_challenger_predicts_in_the_shadow_and_decides_nothing(plant: Plant) -> None:
    tablets = [tablet for lot in demo_lots() for tablet in lot.tablets][:60]
    spectra = [tablet.spectrum for tablet in tablets]
    recipe = Recipe.parse([{"step": "snv"}, {"step": "pls", "components": 2}])
    other = fit(Purpose("other", "assay", "mg", 200.0), axis(), spectra, [float(i % 13) for i in range(60)], recipe)
    kept = artefact.dumps(other)
    model = register_model(Program("tester", plant.company), "other", "다른 모델", "Other", kept, "to compare")
    with reading(plant.company):
        instrument = Instrument.objects.get()
    request_deployment(plant.user("science1"), model, instrument, Deployment.Role.CHALLENGER, "to compare")
    champion = deployment(plant).model.digest
    with reading(plant.company):
        assert models_on(SPECTRA_SOURCE) == [champion, kept.digest]
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.ELIGIBLE
    assert verdict.evidence["model"]["digest"] == champion
    with reading(plant.company):
        counts = {
            digest: sum(block.count for block in PredictionBlock.objects.filter(model_digest=digest))
            for digest in (kept.digest, verdict.evidence["model"]["digest"])
        }
    assert set(counts.values()) == {len(LOTS["A"].tablets)}
    assert verify_batch(plant.company, LOTS["A"].number).equal
    work(plant.online())  # nothing is left to do
