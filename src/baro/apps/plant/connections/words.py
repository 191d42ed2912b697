"""Why a server or a driver refused, in a person's words: what it means, and what to do."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.edge.blocks import GapReason
from baro.edge.errors import EdgeError
from baro.edge.trust import Certificate

Text = str | Promise

WORDS: dict[str, tuple[Text, Text]] = {
    "CertificateNotTrustedError": (
        _("The certificate of the server is not trusted yet."),
        _("Compare the thumbprint with the one that the device itself shows. If both are the same, trust it."),
    ),
    "CertificateChangedError": (
        _("The server shows another certificate than the one that was trusted."),
        _("Ask who renewed it. If nobody did, somebody may stand between: tell the head of IT. If it was, trust it."),
    ),
    "CertificateExpiredError": (
        _("The certificate of the server has expired, or is not valid yet."),
        _("Have it renewed at the device, and look at the clocks of both."),
    ),
    "CertificateForeignError": (
        _("The certificate of the server names another application than the server does."),
        _("Have a certificate made at the device that bears its own application URI."),
    ),
    "CertificateUnusableError": (
        _("The certificate of the server cannot be read, or its key is too short."),
        _("Have a certificate with an RSA key of at least 2048 bits made at the device."),
    ),
    "ClientRefusedError": (
        _("The server does not trust Baro's own certificate."),
        _("Take Baro's certificate to the device and have it trusted there; its thumbprint stands below."),
    ),
    "UserRefusedError": (
        _("The server does not accept the user name, the password, or anonymous users."),
        _("Enter the user name and the password that the device knows."),
    ),
    "PasswordExposedError": (
        _("The password would travel readable, so it was not sent."),
        _("Choose a security policy, or leave the user name empty."),
    ),
    "EndpointMissingError": (
        _("The server does not offer the wanted security."),
        _("Switch a security policy on at the device. No protection at all is possible, but has to be chosen."),
    ),
    "ServerAwayError": (
        _("Nothing answers at this address."),
        _("Check the address, the port, the cable and the firewall, and whether the device is switched on."),
    ),
    "LinkLostError": (
        _("The server answered, and then no more."),
        _("Try again; look at the network if it stays so."),
    ),
    "NothingToCollectError": (
        _("The server has nothing of what shall be collected."),
        _("Look at what it offers now, and choose again."),
    ),
    "DriverUnknownError": (
        _("No driver of this installation reads such an address."),
        _("Begin the address with a scheme that is listed, such as opc.tcp://."),
    ),
    "CannotExploreError": (
        _("Devices of this protocol do not tell what they offer."),
        _("Enter the settings by hand: on the page of the collection, with the list of the device's maker at hand."),
    ),
    "SettingsInvalidError": (
        _("The settings cannot be used."),
        _("Correct the field that is named below."),
    ),
    "StationWrongError": (
        _("The device accepts the connection, but nothing answers under this number."),
        _(
            "Modbus: try another unit id (often 1, 255 or 0). S7: rack 0, slot 1 of an S7-1200 or -1500, slot 2 of an "
            "S7-300; an S7-400 has its own."
        ),
    ),
    "AccessProtectedError": (
        _("The device is protected and does not let its memory be read."),
        _(
            "In the engineering tool, allow PUT/GET access at the CPU, and let its protection permit reading. Then "
            "load the program again."
        ),
    ),
    "SecretMissingError": (
        _("The password is not in the secret store of this computer."),
        _("Enter it again."),
    ),
}  # fmt: skip
UNKNOWN: tuple[Text, Text] = (
    _("The connection failed."),
    _("The message below is that of the driver; give it to whoever looks after the device."),
)
GAPS: dict[GapReason, Text] = {
    GapReason.CONNECTION_LOST: _("connection lost"),
    GapReason.COLLECTOR_STOPPED: _("collector stopped"),
    GapReason.SEQUENCE_JUMP: _("numbers left out by the source"),
    GapReason.REFUSED: _("refused"),
    GapReason.SPOOL_FULL: _("storage of the collector full"),
    GapReason.TRANSFER_LOST: _("lost on the one-way line"),
}
"""Why observations are missing."""
TRUSTABLE = frozenset({"CertificateNotTrustedError", "CertificateChangedError"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as a page or the command line shows it. `trustable`: a person may answer it by trusting."""

    error: str
    what: Text
    advice: Text
    detail: str
    certificate: Certificate | None

    @property
    def trustable(self) -> bool:
        return self.certificate is not None and self.error in TRUSTABLE

    @property
    def body(self) -> str:
        """The certificate as a form carries it."""
        return base64.b64encode(self.certificate.der).decode() if self.certificate else ""


def refusal(told: Mapping[str, str]) -> Refusal | None:
    """What `baro.edge.driver.refusal_json` told, in words; None where nothing was refused."""
    if not told:
        return None
    what, advice = WORDS.get(told.get("error", ""), UNKNOWN)
    certificate = None
    if told.get("certificate"):
        try:
            certificate = Certificate.read(base64.b64decode(told["certificate"]))
        except (EdgeError, ValueError):
            certificate = None
    return Refusal(told.get("error", ""), what, advice, told.get("detail", ""), certificate)
