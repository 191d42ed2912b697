"""Companies, people, and what opens the door to them."""

from baro.apps.people.models.attempts import SignIn
from baro.apps.people.models.people import Assignment, Company, Site, User
from baro.apps.people.models.tokens import ApiToken, ApiTokenUse

__all__ = ["ApiToken", "ApiTokenUse", "Assignment", "Company", "SignIn", "Site", "User"]
