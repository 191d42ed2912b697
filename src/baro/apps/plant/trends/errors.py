"""What can be wrong with a question about trends."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class TrendInvalid(BaroError):
    code = "PLT-0030"
    message = _("The trend cannot be shown as it was asked for: %(detail)s.")
    advice = _("Correct what is named in the address, or choose again on the page of trends.")


class TooMuchAsked(BaroError):
    code = "PLT-0031"
    message = _("In this stretch of time there are %(count)s observations; %(most)s can be given at once.")
    advice = _("Choose a shorter stretch of time or fewer tags.")


class DataUnreadable(BaroError):
    code = "PLT-0032"
    status = 409
    message = _("Stored observations of this stretch of time cannot be read: %(detail)s.")
    kept = _("Nothing was changed; what is stored stays as it is.")
    advice = _("Have the records verified, and take the file from a backup of the lake.")


class AnnotationInvalid(BaroError):
    code = "PLT-0033"
    message = _("An annotation needs a text of at most 2,000 letters, a source, and an end after its beginning.")
    advice = _("Fill in what is missing.")


class AnnotationOfOther(BaroError):
    code = "PLT-0034"
    status = 403
    message = _("Only the person who wrote an annotation corrects or withdraws it.")
    advice = _("Write an annotation of your own beside it.")
