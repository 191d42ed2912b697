"""Model artefacts that come with Baro."""

from importlib.resources import files

from baro.science.chemometrics.artefact import ModelArtefact


def shipped_model() -> ModelArtefact:
    """The tablet assay of the demo, named by the digest it was validated with."""
    folder = files(__name__)
    digest = (folder / "tablet-assay-1.sha256").read_text().strip()
    return ModelArtefact(
        (folder / "tablet-assay-1.json").read_bytes(), (folder / "tablet-assay-1.npz").read_bytes(), digest
    )
