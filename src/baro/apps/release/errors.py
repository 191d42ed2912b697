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


class AlreadyDecided(BaroError):
    code = "REL-0004"
    status = 409
    message = _("Lot %(lot)s has been decided on already.")
    advice = _("A released or rejected lot stays so. Open the lot to see who decided, and why.")
