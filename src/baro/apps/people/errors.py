"""What can be wrong with a company or an account."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class CompanyUnknown(BaroError):
    code = "PPL-0001"
    status = 404
    message = _("There is no company with the code %(code)s.")
    advice = _("Set BARO_COMPANY to the code of a company of this installation.")
