"""Rules for passwords beside Django's own: words of the trade, and no password twice."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from baro.apps.people.models import User
from baro.apps.people.passwords import used_before
from baro.config import config

WORDS = (
    "baro", "바로", "password", "passwort", "admin", "welcome", "changeme", "pharma", "제약", "gmp", "quality", "품질",
    "production", "제조", "release", "출하", "operator", "analyst", "비밀번호", "관리자",
    # Korean words as the keys of a Latin keyboard
    "qlalfqjsgh", "rhksflwk", "dkssud", "tkfkdgo", "vnawlf", "cnfgk",
)  # fmt: skip
"""Words that add nothing to a password: of the product and the trade."""
LEFT = 8
"""So many characters have to be left when those words are taken out."""


class LengthValidator:
    """At least `BARO_PASSWORD_LENGTH` characters, at most 1024; any character counts."""

    def validate(self, password: str, user: Any = None) -> None:
        if not config().password_length <= len(password) <= 1024:
            raise ValidationError(self.get_help_text())

    def get_help_text(self) -> str:
        return _("At least %(n)s characters.") % {"n": config().password_length}


class WordsValidator:
    """Words of the plant and the person's own names do not make a password."""

    def validate(self, password: str, user: User | None = None) -> None:
        left = password.casefold()
        for word in sorted([*WORDS, *_own(user)], key=len, reverse=True):
            left = left.replace(word, "")
        if len(left) < min(LEFT, config().password_length):
            raise ValidationError(_("It is made of words that everybody here knows, or of your own name."))

    def get_help_text(self) -> str:
        return _("Not made of your name, the company, or words of the trade.")


class HistoryValidator:
    """None of the last `BARO_PASSWORD_HISTORY` passwords."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user is not None and used_before(user, password):
            raise ValidationError(_("You have used this password before."))

    def get_help_text(self) -> str:
        return _("None of your last %(n)s passwords.") % {"n": config().password_history}


def _own(user: User | None) -> list[str]:
    if user is None:
        return []
    text = f"{user.username} {user.full_name} {user.full_name_en}".casefold()
    return [part for part in re.split(r"[\W_]+", text) if len(part) > 1 and not part.isdecimal()]
