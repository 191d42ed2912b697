"""The words that scripts put on pages, in the language of the page."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def chart_words() -> dict[str, str]:
    """The words that scripts put on charts, in the language of the page."""
    return {
        "absorbance": _("Absorbance log(1/T)"),
        "wavelength": _("Wavelength (nm)"),
        "calibration_range": _("Calibration range (1st–99th percentile)"),
        "newest": _("Newest spectrum"),
        "assay_axis": _("Assay (% of label claim)"),
        "tablet_axis": _("Tablet, in the order of measurement"),
        "tablet": _("Tablet"),
        "usl": _("Upper spec"),
        "lsl": _("Lower spec"),
        "target": _("Target"),
        "mean": _("Mean"),
        "t2_axis": _("T² / limit"),
        "q_axis": _("Q / limit"),
        "calibration": _("Calibration set"),
        "lot": _("This lot"),
        "latest": _("Latest tablet"),
        "normal": _("normal"),
        "extreme": _("extreme within the model"),
        "outside": _("outside the model"),
        "both": _("both"),
        "not_used": _("outside the model range: not used for the verdict"),
        "used": _("used"),
        "thinned": _("shown thinned 1:%(k)s"),
        "none_yet": _("No spectra have been collected yet. They appear here when the analyser sends them."),
        "elapsed": _("Since the start"),
        "took": _("From start to verdict"),
        "qbt_still": _("The old way (QbT) would still need %(left)s of its %(whole)s."),
        "qbt_whole": _("The old way (QbT) needs %(whole)s for the same answer."),
        "hours": _("%(h)s h %(m)s min"),
        "lost": _("Live connection lost. Last value %(time)s"),
        "stale": _("No new value since %(time)s"),
        "live": _("Live"),
        "idle": _("Complete"),
        "connecting": _("Connecting"),
        "sign_in": _("Sign in"),
        "ended": _("Your session has ended. Sign in again to go on."),
        "counts": _("%(n)s tablets measured, %(out)s outside the model"),
        "model_line": _(
            "Model %(code)s v%(version)s (%(status)s) · digest %(digest)s"
            " · calibrated on %(n)s tablets, %(low)s–%(high)s %(unit)s"
        ),
        "gaps": _("%(missing)s observations missing in %(count)s gaps"),
        "no_gaps": _("No gaps"),
        "gap_open": _("A gap is open: the source is silent or unreachable"),
        "collecting_left": _("%(settled)s of %(all)s criteria judged"),
        "normal_range": _("normal range"),
        "no_data": _("no data"),
        "range": pgettext("range", "%(low)s–%(high)s"),
        "evidence_n": _("n = %(n)s"),
        "signed_by": _("Signed by %(who)s, %(time)s"),
        "verdict_now": _("Verdict of lot %(lot)s: %(word)s"),
        "count_axis": _("Number of tablets"),
    }
