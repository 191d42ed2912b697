"""Errors of the archive that people read."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class PlaceTaken(BaroError):
    code = "ARC-0001"
    status = 409
    message = _("There is something at %(place)s already, and it is not overwritten.")
    advice = _("Give a place that is not there yet.")


class LogBehind(BaroError):
    code = "ARC-0002"
    status = 503
    message = _("The log has not taken in the entries of the export yet, so nothing can be proven.")
    kept = _("The export is on record; no file was written.")
    advice = _("See to it that the worker runs, then export again.")


class PackageWrong(BaroError):
    code = "ARC-0003"
    status = 422
    message = _("The package is not as it was exported: %(problem)s")
    advice = _("Get the package again from where it was made. Nothing of a package that does not hold is taken in.")


class PackageNotPinned(BaroError):
    code = "ARC-0004"
    status = 422
    message = _("A package is taken in only when the public key of its log is given.")
    advice = _("Ask the sender for the public key by another way than the package, and give it with --key.")


class RecordsThere(BaroError):
    code = "ARC-0005"
    status = 409
    message = _("A record of the package is in this installation already: %(record)s.")
    advice = _(
        "A lot is taken in once, and into another installation than the one it came from. Where only a code or source"
        " is taken, take the package into a company of its own."
    )


class PackageNotFitting(BaroError):
    code = "ARC-0006"
    status = 422
    message = _("The package does not fit the tables of this version: %(record)s.")
    advice = _("Bring this installation to the version of the one that exported the package, then import again.")


class BackupFailed(BaroError):
    code = "ARC-0007"
    status = 500
    message = _("The backup could not be made or read: %(program)s says: %(problem)s")
    kept = _("The plant's data are as they were.")
    advice = _("The login of BARO_OWNER_URL needs the right of replication; see that there is room on the disk.")


class BackupDamaged(BaroError):
    code = "ARC-0008"
    status = 422
    message = _("The backup is not as it was made: %(problem)s")
    kept = _("Nothing was restored.")
    advice = _("Use another backup, and find out what happened to this one.")


class NotYetDue(BaroError):
    code = "ARC-0009"
    status = 409
    message = _("The records of %(record)s are kept until %(until)s.")
    advice = _("Nothing is disposed of before its time. The retention rules say how long each record is kept.")


class OnHold(BaroError):
    code = "ARC-0010"
    status = 409
    message = _("%(record)s is on legal hold: %(reason)s")
    advice = _("The hold has to be lifted by signature first.")


class HoldUnknown(BaroError):
    code = "ARC-0011"
    status = 404
    message = _("There is no legal hold in force on %(record)s.")
    advice = _("Look at the list of holds on the page of the archive.")


class RetentionTooShort(BaroError):
    code = "ARC-0012"
    status = 422
    message = _("A retention rule gives a basis and whole years after expiry: at least %(least)s, at most %(most)s.")
    kept = _("The rules are as they were.")
    advice = _("Records of a lot are kept until one year after its expiry or longer. Name the law or procedure.")


class HoldThere(BaroError):
    code = "ARC-0013"
    status = 409
    message = _("%(record)s is on legal hold already.")
    advice = _("Look at the list of holds on the page of the archive.")


class ProductUnknown(BaroError):
    code = "ARC-0014"
    status = 404
    message = _("There is no product with the code %(code)s.")
    advice = _("Choose a product of the list, or none for a rule that is for all.")


class RecordDiffers(BaroError):
    code = "ARC-0015"
    status = 409
    message = _("A record that the lot hangs on is here already and says something else: %(record)s.")
    advice = _("What was changed here is not overwritten. Take the package into a company of its own.")


class ImportFailed(BaroError):
    code = "ARC-0016"
    status = 507
    message = _("The package could not be read, or not be kept: %(problem)s.")
    kept = _("Nothing was taken in.")
    advice = _("See that there is room on the disk and that the package can be read, then import again.")
