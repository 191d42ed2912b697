"""Errors of Sparkplug."""

from baro.edge.errors import EdgeError


class SparkplugError(EdgeError):
    """A message does not follow Sparkplug B."""


class PayloadInvalidError(SparkplugError):
    """The bytes are no Sparkplug payload."""


class PayloadTooLargeError(PayloadInvalidError):
    """The payload is larger than what one message may hold."""


class ValueInvalidError(SparkplugError):
    """A value does not fit its data type."""


class TopicInvalidError(SparkplugError):
    """The topic is none of Sparkplug B."""


class MisuseError(SparkplugError):
    """This cannot be done in the state the session is in."""
