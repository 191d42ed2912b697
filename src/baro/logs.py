"""How every program of Baro writes its log: UTC, one record that nothing in it can make look like two."""

from __future__ import annotations

import logging
import time
import unicodedata

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode that break a line, move the cursor, turn the direction of writing, or show nothing."""


def visible(text: str) -> str:
    """`text` with every character that a terminal or an editor would act on written out, such as ``\\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in HIDDEN else character
        for character in text
    )


class OneLine(logging.Formatter):
    """A record is one line; the lines of a traceback begin with a bar, as no record does."""

    converter = time.gmtime
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        record.message = visible(record.getMessage())
        record.asctime = self.formatTime(record)
        out = [self.formatMessage(record)]
        if record.exc_info and record.exc_info[0] is not None:
            out += [f"  | {visible(line)}" for line in self.formatException(record.exc_info).split("\n")]
        if record.stack_info:
            out += [f"  | {visible(line)}" for line in record.stack_info.split("\n")]
        return "\n".join(out)


def configure(level: int = logging.WARNING) -> None:
    """Write the log of this process to its standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level, handlers=[handler])
