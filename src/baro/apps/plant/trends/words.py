"""The words that the page of trends needs, in the language of the page."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def words() -> dict[str, str]:
    return {
        "add": _("Add"),
        "added": _("shown"),
        "remove": _("Remove"),
        "found": _("%(shown)s of %(total)s"),
        "found_none": _("No tag or source has such a name."),
        "nothing_stored": _("nothing stored yet"),
        "normal": _("normal range"),
        "range": pgettext("range", "%(low)s–%(high)s"),
        "reduced": _("reduced 1:%(k)s"),
        "every_sample": _("every sample"),
        "no_data": _("no data"),
        "gap": _("Gap"),
        "gap_open": _("Gap, still open"),
        "missing": _("%(n)s observations missing"),
        "connection_lost": _("connection lost"),
        "collector_stopped": _("collector stopped"),
        "sequence_jump": _("numbers left out by the source"),
        "refused": _("refused"),
        "spool_full": _("storage of the collector full"),
        "good": _("good"),
        "uncertain": _("uncertain"),
        "bad": _("bad"),
        "mean": _("Mean"),
        "lowest": _("Lowest"),
        "highest": _("Highest"),
        "value": _("Value"),
        "time": _("Time"),
        "until": _("To"),
        "state": _("State"),
        "quality": _("Quality"),
        "failed": _("The trend could not be loaded. What is shown stays as it was."),
        "retry": _("Try again"),
        "ended": _("Your session has ended. Sign in again to go on."),
        "sign_in": _("Sign in"),
        "live": _("Live"),
        "still": _("from %(from)s to %(to)s"),
        "left_out": _("%(n)s more changes are not shown: choose a shorter stretch of time."),
        "table_more": _("The first %(n)s of %(all)s rows. The export has all of them."),
        "seconds": _("%(n)s s"),
        "minutes": _("%(n)s min"),
        "hours": _("%(n)s h"),
        "days": _("%(n)s d"),
    }
