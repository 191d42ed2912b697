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


class TokenRefused(BaroError):
    code = "PPL-0201"
    status = 401
    message = _("This API token is not valid, or no longer.")
    advice = _("Make a new token on your account page, or ask your administrator why it was revoked.")


class SignInNeeded(BaroError):
    code = "PPL-0202"
    status = 401
    message = _("Nobody is signed in.")
    advice = _("Sign in, or send an API token in the header Authorization: Bearer.")


class TokenCannotSign(BaroError):
    code = "PPL-0203"
    status = 403
    message = _("A token signs nothing and changes no account.")
    advice = _("Sign in with your own name and do it on the page.")


class TokenInvalid(BaroError):
    code = "PPL-0204"
    message = _("A token needs a name, a permission and an end within %(days)s days.")
    advice = _("Choose at least one permission that you hold yourself, and an earlier end.")


class TokenUnknown(BaroError):
    code = "PPL-0205"
    status = 404
    message = _("There is no such token.")
    advice = _("Load the list of your tokens again.")


class FormNotOurs(BaroError):
    code = "PPL-0206"
    status = 403
    message = _("The request does not show that it comes from a page of Baro.")
    advice = _("Send the cookie csrftoken as the header X-CSRFToken too, or use an API token.")


class ChangeDecided(BaroError):
    code = "PPL-0103"
    status = 409
    message = _("This request is not waiting for a decision any more.")
    advice = _("Open the list of requests to see who decided, and why.")


class NothingToChange(BaroError):
    code = "PPL-0104"
    status = 409
    message = _("%(who)s: there is nothing to change; it is so already, or it has been asked for already.")
    advice = _("Look at the person's page and at the requests that wait.")


class PeriodInvalid(BaroError):
    code = "PPL-0105"
    message = _("The period ends before it begins, or lies in the past.")
    advice = _("Give a later end, or leave it empty.")


class LastHands(BaroError):
    code = "PPL-0106"
    status = 409
    message = _("After this change no two people would be left to request and approve changes of rights.")
    advice = _("Give another person the role of system administrator first.")


class SetUpOver(BaroError):
    code = "PPL-0107"
    status = 409
    message = _("The set-up of the company is over: two people can change rights together.")
    advice = _("Let an administrator make the account and request its role on the page of people.")


class CodeTaken(BaroError):
    code = "PPL-0108"
    status = 409
    message = _("%(code)s is taken already; names and codes are never used twice.")
    advice = _("Choose another one.")


class RoleUnknown(BaroError):
    code = "PPL-0109"
    status = 400
    message = _("There is no role with the code %(role)s.")
    advice = _("Give one of: %(roles)s.")


class NameInvalid(BaroError):
    code = "PPL-0110"
    message = _("An account needs the name of its person, and a user name of letters, digits and . @ + - _ only.")
    advice = _("Fill in both names, without spaces in the user name.")


class UserUnknown(BaroError):
    code = "PPL-0111"
    status = 404
    message = _("There is no such account.")
    advice = _("Find the person on the page of people.")
