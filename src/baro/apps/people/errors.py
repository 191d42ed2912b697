"""What can be wrong with a company or an account."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class CompanyUnknown(BaroError):
    code = "PPL-0001"
    status = 404
    message = _("There is no company with the code %(code)s.")
    advice = _("Set BARO_COMPANY to the code of a company of this installation.")


class SameHand(BaroError):
    code = "PPL-0101"
    status = 403
    message = _("%(who)s may not do this here (%(duty)s): the same person already did the other part (%(earlier)s).")
    advice = _("It can be done by: %(others)s.")


class ExclusiveRoles(BaroError):
    code = "PPL-0102"
    status = 409
    message = _("%(who)s: the role %(role)s is not given, for the same person has the role %(other)s (%(account)s).")
    advice = _("%(why)s End the other role first, or choose another person.")
