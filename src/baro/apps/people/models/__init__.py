"""Companies, people, and what opens the door to them."""

from baro.apps.people.models.attempts import SignIn
from baro.apps.people.models.people import Company, Site, User
from baro.apps.people.models.providers import Identity, IdentityProvider
from baro.apps.people.models.secrets import Passkey, PasswordUse, RecoveryCode, Totp
from baro.apps.people.models.sessions import SessionActivity, WebSession
from baro.apps.people.models.tokens import ApiToken, ApiTokenUse
from baro.apps.people.rights.models import Assignment, RightsChange
from baro.apps.people.rights.review_models import AccessReview, ReviewLine

__all__ = [
    "AccessReview",
    "ApiToken",
    "ApiTokenUse",
    "Assignment",
    "Company",
    "Identity",
    "IdentityProvider",
    "Passkey",
    "PasswordUse",
    "RecoveryCode",
    "ReviewLine",
    "RightsChange",
    "SessionActivity",
    "SignIn",
    "Site",
    "Totp",
    "User",
    "WebSession",
]
