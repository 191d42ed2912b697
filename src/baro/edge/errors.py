"""Errors of the edge. The docstring of a class is its message; what is known besides is appended."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc
from typing import NamedTuple


class EdgeError(Exception):
    """Something between an instrument and the historian went wrong."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        message = cleandoc(type(self).__doc__ or "")
        super().__init__(f"{message} ({detail})" if detail else message)


class DriverUnknownError(EdgeError):
    """No driver of this name is installed."""


class SettingsInvalidError(EdgeError):
    """The settings of a driver cannot be used."""


class Problem(NamedTuple):
    """What is wrong with a table that a person typed or loaded. line: counted from 1, in a file as an editor counts;
    0 of the whole table. field: the column. reason: a word of `baro.edge.maps.REASONS`. other: what it collides with,
    or what there is."""

    line: int
    field: str
    reason: str
    value: str = ""
    other: str = ""


class MapInvalidError(EdgeError):
    """A table of registers or variables cannot be used as it is."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(" ".join(filter(None, map(str, one))) for one in problems))


class StationWrongError(EdgeError):
    """The device accepts the connection, but no unit of this number, or no CPU in this rack and slot, answers."""


class AccessProtectedError(EdgeError):
    """The device is protected: it does not let its memory be read."""


class CannotExploreError(EdgeError):
    """This driver cannot show what a device offers."""


class SecretMissingError(EdgeError):
    """The secret store has no entry of this name."""


class ServerAwayError(EdgeError):
    """Nothing answers at this address."""


class EndpointMissingError(EdgeError):
    """The server offers no endpoint with the wanted security."""


class UserRefusedError(EdgeError):
    """The server does not accept the user, the password, or the user's certificate."""


class PasswordExposedError(EdgeError):
    """The password would travel readable, so it was not sent."""


class ClientRefusedError(EdgeError):
    """The server does not trust Baro's own certificate."""


class CertificateRefusedError(EdgeError):
    """The certificate of the server was not accepted."""

    def __init__(self, detail: str = "", *, certificate: bytes = b"") -> None:
        super().__init__(detail)
        self.certificate = certificate


class CertificateUnusableError(CertificateRefusedError):
    """The certificate of the server cannot be read, or its key is too short."""


class CertificateForeignError(CertificateRefusedError):
    """The certificate of the server names another application than the server does."""


class CertificateExpiredError(CertificateRefusedError):
    """The certificate of the server has expired, or is not valid yet."""


class CertificateNotTrustedError(CertificateRefusedError):
    """The certificate of the server is not trusted."""


class CertificateChangedError(CertificateRefusedError):
    """The server shows another certificate than the one that was trusted."""


class WriteRefusedError(EdgeError):
    """The command was not carried out."""


class LinkLostError(EdgeError):
    """The instrument's server no longer answers."""


class NothingToCollectError(EdgeError):
    """The server has none of the instruments that the settings name."""


class AxisInvalidError(EdgeError):
    """The spectral axis cannot be read."""


class SpoolFullError(EdgeError):
    """The spool has reached its limit; the observations were not taken."""


class SpoolBrokenError(EdgeError):
    """The spool cannot be written."""


class SinkUnreachableError(EdgeError):
    """The historian does not tell what it has; observations of new sources wait for it."""


class FrameInvalidError(EdgeError):
    """What came through the diode is not a frame of the sender."""


class AgentConfigError(EdgeError):
    """The settings of the agent cannot be used."""


class AgentRunningError(EdgeError):
    """Another agent writes to this storage."""


class StorageFullError(EdgeError):
    """There is no room in the agent's storage; nothing half-written is left, and it is tried again."""


class StorageBrokenError(EdgeError):
    """The agent's storage cannot be written or read."""


class JournalBrokenError(EdgeError):
    """The agent's journal is not as it was written."""


class FormatError(EdgeError):
    """A file of spectra is refused."""

    code = "refused"

    def __init__(self, detail: str = "", *, block: str = "", offset: int | None = None) -> None:
        self.block, self.offset, self.reason = block, offset, detail
        place = ", ".join(
            part for part in (f"block {block}" if block else "", "" if offset is None else f"byte {offset}") if part
        )
        super().__init__(f"{place}: {detail}" if place and detail else place or detail)


class FormatUnknownError(FormatError):
    """No reader knows this content."""

    code = "unknown"


class FormatUnsupportedError(FormatError):
    """The file is of a known format, but of a kind that is not read."""

    code = "unsupported"


class FileDamagedError(FormatError):
    """The file is not built as its format demands: cut off, or changed."""

    code = "damaged"


class DataDisagreeError(FormatError):
    """The decoded data disagree with what the file itself says about them."""

    code = "disagrees"


class FileTooLargeError(FormatError):
    """The file claims or holds more than a reader takes in."""

    code = "too_large"


class MappingNeededError(FormatError):
    """The file is a plain table: a mapping must say which cells are axis, spectra and samples."""

    code = "mapping_needed"
