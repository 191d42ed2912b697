"""What can be wrong with what is said of the plant."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class SystemInvalid(BaroError):
    code = "PLT-0001"
    message = _("A system needs a code that no other one has, both names, and a value from each list.")
    advice = _("Fill in what is missing, or choose another code.")


class DatesInvalid(BaroError):
    code = "PLT-0002"
    message = _("A date does not fit: it is none, lies in the past, or ends before it begins.")
    advice = _("Correct the date.")
