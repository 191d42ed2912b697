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


class TooManyAttempts(BaroError):
    code = "PPL-0207"
    status = 429
    message = _("Too many attempts to sign in came from this address.")
    advice = _("Wait fifteen minutes. If it was not you, tell your administrator: somebody may be guessing passwords.")


class PasswordRefused(BaroError):
    code = "PPL-0208"
    message = _("This password is not accepted. %(why)s")
    advice = _("Choose another one. A sentence of several words is easy to remember and hard to guess.")


class PasswordsDiffer(BaroError):
    code = "PPL-0209"
    message = _("The two entries of the new password differ.")
    advice = _("Enter the new password twice.")


class PasswordExpired(BaroError):
    code = "PPL-0210"
    status = 403
    message = _("This temporary password has expired.")
    advice = _("Ask your administrator for a new one.")


class WrongCode(BaroError):
    code = "PPL-0211"
    status = 403
    message = _("The code is not right, or has been used already.")
    advice = _("Wait for the next code of your app and enter that one, or use a recovery code.")


class PasskeyRefused(BaroError):
    code = "PPL-0212"
    status = 403
    message = _("The passkey was not accepted.")
    advice = _("Try again, or use your password.")


class PasskeyUnknown(BaroError):
    code = "PPL-0213"
    status = 404
    message = _("There is no such passkey.")
    advice = _("Load your account page again.")


class SessionUnknown(BaroError):
    code = "PPL-0214"
    status = 404
    message = _("There is no such session, or it has ended.")
    advice = _("Load your account page again.")


class AccountUnfinished(BaroError):
    code = "PPL-0215"
    status = 403
    message = _("Before anything else you need a new password or a second factor.")
    advice = _("Sign in on the page and follow it.")


class StepTooLate(BaroError):
    code = "PPL-0216"
    status = 403
    message = _("The first step of the sign-in was too long ago.")
    advice = _("Sign in again from the start.")


class ProviderUnknown(BaroError):
    code = "PPL-0217"
    status = 404
    message = _("There is no such identity provider.")
    advice = _("Sign in with your password, or ask your administrator.")


class ProviderRefused(BaroError):
    code = "PPL-0218"
    status = 403
    message = _("The sign-in by the identity provider was not accepted.")
    advice = _("Try again. If it stays so, your account here may not be linked or is disabled: ask your administrator.")


class OtherSite(BaroError):
    code = "PPL-0115"
    status = 403
    message = _("%(who)s may not do this at the site %(site)s: %(permission)s.")
    advice = _("It needs the role at this site: %(roles)s.")


class ProviderInvalid(BaroError):
    code = "PPL-0219"
    message = _(
        "An identity provider needs a code of small letters, digits, - and _, both names, its issuer and a client."
    )
    advice = _("Fill in what is missing.")


class ReviewOpen(BaroError):
    code = "PPL-0112"
    status = 409
    message = _("An access review is open already.")
    advice = _("Finish and sign that one first.")


class ReviewClosed(BaroError):
    code = "PPL-0113"
    status = 409
    message = _("This line of the access review is decided, or the review is signed already.")
    advice = _("What is still to be changed can be requested on the person's page.")


class ReviewIncomplete(BaroError):
    code = "PPL-0114"
    status = 409
    message = _("The access review is not complete: lines without a decision, or without a role to end: %(left)s.")
    advice = _("Decide on each account, and mark the roles that are to end.")
