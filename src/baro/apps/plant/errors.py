"""What can be wrong with what is said of the plant."""

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class SystemInvalid(BaroError):
    code = "PLT-0001"
    message = _("A system needs a code that no other one has, both names, and a value from each list.")
    advice = _("Fill in what is missing, or choose another code.")


class DatesInvalid(BaroError):
    code = "PLT-0002"
    message = _("A date does not fit: it is none, lies in the past, or ends before it begins.")
    advice = _("Correct the date.")


class FindingUnknown(BaroError):
    code = "PLT-0003"
    status = 409
    message = _("One of these is no finding, or somebody has acknowledged it already. Nothing was recorded.")
    advice = _("Load the page again and choose from what is still open.")


class OriginalAway(BaroError):
    code = "PLT-0004"
    status = 404
    message = _("This server does not have the stored file.")
    advice = _("See to it that BARO_FILE_STORES names the storage of the agent and that the folder can be read.")


class OriginalDamaged(BaroError):
    code = "PLT-0005"
    status = 409
    message = _("The stored file is no longer what it was, so it is not given out.")
    advice = _("Keep the storage as it is, and take the file from a backup of it. Tell the head of quality.")


class ConnectionInvalid(BaroError):
    code = "PLT-0020"
    message = _("The connection cannot be recorded as it is: %(detail)s.")
    advice = _("Correct what is named, or choose another code.")


class CertificateInvalid(BaroError):
    code = "PLT-0021"
    message = _("This is no certificate that can be trusted: it cannot be read, has expired, or is not valid yet.")
    advice = _("Have the server's certificate renewed, then look at the server again.")


class MapInvalid(BaroError):
    code = "PLT-0024"
    message = _("The map cannot be used: %(detail)s")
    advice = _("Correct the rows that are named, then send it again.")


class IntervalInvalid(BaroError):
    code = "PLT-0035"
    message = _("The interval cannot be recorded as it is: %(detail)s.")
    advice = _("A batch needs a lot number, a phase a name, and the end comes after the beginning.")


class IntervalOverlaps(BaroError):
    code = "PLT-0036"
    status = 409
    message = _("The interval would overlap with %(other)s (%(start)s – %(end)s).")
    advice = _("Choose other times, or let adjoining intervals move along. One that would be covered is voided first.")


class IntervalLeavesGap(BaroError):
    code = "PLT-0037"
    status = 409
    message = _("A gap would remain to %(other)s, from %(start)s to %(end)s; its observations would belong to nothing.")
    advice = _("Choose other times, or let adjoining intervals move along.")


class IntervalChanged(BaroError):
    code = "PLT-0038"
    status = 409
    message = _("The interval, or what is asked of it, is no longer what the preview showed.")
    advice = _("Look at the preview again, then confirm it.")


class CommandNotAllowed(BaroError):
    code = "PLT-0022"
    message = _("This command is not on the list of the connection, or its value is beyond the limits there.")
    advice = _("Choose a command of the list and a value within its limits.")


class CommandClosed(BaroError):
    code = "PLT-0023"
    status = 409
    message = _("The command was decided on already.")
    advice = _("Load the page again and look at what came of it.")
