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
