"""What can be wrong in the life of a model."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class DataInvalid(BaroError):
    code = "PAT-0001"
    status = 422
    message = _("The data cannot be taken as they are: %(detail)s.")
    advice = _("Correct the file or what was said of it, then send it again.")


class DataSetClosed(BaroError):
    code = "PAT-0002"
    status = 409
    message = _("The data set %(data_set)s is not in a state in which this can be done.")
    advice = _("Load the page again. A frozen data set never changes: make a new one.")


class DataSetDamaged(BaroError):
    code = "PAT-0003"
    status = 409
    message = _("The rows of the data set %(data_set)s are not those that its digest names.")
    advice = _("Use nothing of it. Have the database checked, and take the data set from a backup.")


class TestOverlaps(BaroError):
    __test__ = False  # no test of pytest's

    code = "PAT-0004"
    status = 409
    message = _("The test set is not independent of the calibration: %(detail)s.")
    advice = _("Choose a test set of other batches, or make one.")


class RecipeInvalid(BaroError):
    code = "PAT-0005"
    status = 422
    message = _("The recipe or the search cannot be used: %(detail)s.")
    advice = _("Correct what is named.")


class MethodInvalid(BaroError):
    code = "PAT-0006"
    status = 422
    message = _("The method cannot be recorded as it is: %(detail)s.")
    advice = _("Fill in what is missing, or choose another code.")


class StepNotOpen(BaroError):
    code = "PAT-0007"
    status = 409
    message = _("This step is not open now: %(detail)s.")
    advice = _("Load the page again. It shows what comes next, and who may do it.")


class CriteriaInvalid(BaroError):
    code = "PAT-0008"
    status = 422
    message = _("The acceptance criteria cannot be used: %(detail)s.")
    advice = _("Name a figure, a comparison and a limit for each.")


class ModelNotDeployed(BaroError):
    code = "PAT-0009"
    status = 409
    message = _("The model %(model)s is not approved for the instrument %(instrument)s.")
    advice = _("Have it deployed there by signature, after a transfer if the instrument is another one.")


class ModelUnchangeable(BaroError):
    code = "PAT-0010"
    status = 409
    message = _("A registered model never changes.")
    kept = _("Nothing was changed. The attempt is on record.")
    advice = _("Make a new version of it.")


class TransferInvalid(BaroError):
    code = "PAT-0011"
    status = 422
    message = _("The calibration cannot be transferred with these standards: %(detail)s.")
    advice = _("Choose standards that span the range of the calibration, measured on both instruments.")


class ModelFileInvalid(BaroError):
    code = "PAT-0012"
    status = 422
    message = _("The model file cannot be taken in: %(detail)s.")
    advice = _("Export the model again with a version of Baro that this one reads.")


class ModelUnknown(BaroError):
    code = "PAT-0013"
    status = 404
    message = _("There is no model %(model)s.")
    advice = _("Look at the list of models for its code and version.")


class DataSetElsewhere(BaroError):
    code = "PAT-0014"
    status = 409
    message = _("The rows of the data set %(data_set)s are not kept here.")
    advice = _(
        "It came with a package, which names them by digest: look at them in the installation they were made in."
    )


class ModelNotExportable(BaroError):
    code = "PAT-0021"
    status = 422
    message = _("The model %(model)s cannot be written as %(kind)s. %(step)s: %(why)s.")
    advice = _("Carry it as a package, which every installation of Baro takes in.")


class PipelineRefused(BaroError):
    code = "PAT-0022"
    status = 422
    message = _("The pipeline cannot be taken in. %(step)s: %(why)s.")
    advice = _("Fit it with steps of the list in the documentation, and save it with skops.")


class PipelineIncomplete(BaroError):
    code = "PAT-0023"
    status = 422
    message = _("The file holds a pipeline of another program, which brings no limits.")
    advice = _("Take it in by baro model import with --data: the spectra and reference values that it was fitted to.")


class ExtraMissing(BaroError):
    code = "PAT-0024"
    status = 501
    message = _("The package %(package)s, which such files need, is not installed.")
    advice = _("Have it installed with the extra interop of Baro.")
