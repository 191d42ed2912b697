"""Names in two languages."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


def in_language(korean: str, english: str) -> str:
    """The text for the language of the page; Korean when none is set."""
    return korean if (get_language() or "ko").startswith("ko") else english


def zone_name(moment: datetime) -> str:
    """What the plant's zone calls itself at `moment`: KST, or an offset such as +03 where it has no name."""
    return timezone.localtime(moment).tzname() or "UTC"


class Named(models.Model):
    """A record with a name in Korean and in English; `title` is the one to show."""

    name_ko = models.CharField(_("name in Korean"), max_length=200)
    name_en = models.CharField(_("name in English"), max_length=200)

    class Meta:
        abstract = True

    @property
    def title(self) -> str:
        return in_language(self.name_ko, self.name_en)


def one_line(text: str) -> str:
    """`text` with every character that controls a line, a terminal or the direction of writing shown as its escape."""
    return "".join(c if c.isprintable() or c == "\u00a0" else c.encode("unicode_escape").decode() for c in text)
