"""Why a lot cannot be decided on in the way that was asked for."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class LotUnknown(BaroError):
    code = "REL-0001"
    status = 404
    message = _("There is no lot %(lot)s.")
    advice = _("Check the lot number on the list of lots.")


class LotNotComplete(BaroError):
    code = "REL-0002"
    status = 409
    message = _("Lot %(lot)s is not complete yet, so it cannot be decided on.")
    advice = _("Wait until the equipment has reported the end of the lot and the final verdict is there.")


class OutcomeNotAllowed(BaroError):
    code = "REL-0003"
    status = 409
    message = _("Lot %(lot)s cannot be released: its verdict is “%(verdict)s”.")
    advice = _(
        "Only a lot that is eligible for release can be released. A failed real-time release test is never"
        " replaced by an end-product test; reject the lot or put it on hold."
    )


class LateData(BaroError):
    code = "REL-0005"
    status = 409
    message = _("Observations of lot %(lot)s came after its verdict, so nothing was signed.")
    advice = _("Wait a moment until the lot has been judged again, then read the new verdict.")


class CheckFailed(BaroError):
    code = "REL-0009"
    status = 409
    message = _("An analyser of lot %(lot)s failed a check after the verdict, so nothing was signed.")
    advice = _("Wait a moment until the lot has been judged again, then read the new verdict.")


class NotApproved(BaroError):
    code = "REL-0006"
    status = 409
    message = _("The control strategy or the model of lot %(lot)s is not the one that was approved.")
    advice = _("Let the control strategy and the model be approved again, or put the lot on hold.")


class TrailNotReviewed(BaroError):
    code = "REL-0007"
    status = 409
    message = _("The audit trail of lot %(lot)s has not been reviewed up to its last entry (%(left)s not reviewed).")
    advice = _("Open the history of the lot, review its audit trail and sign the review; then release.")


class LateSeen(BaroError):
    code = "REL-0008"
    status = 409
    message = _("What came late of lot %(lot)s has been acknowledged already.")
    advice = _("Load the page again to see by whom, and what was said of it.")


class AlreadyDecided(BaroError):
    code = "REL-0004"
    status = 409
    message = _("Lot %(lot)s has been decided on already.")
    advice = _("A released or rejected lot stays so. Open the lot to see who decided, and why.")
