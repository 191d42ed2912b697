"""What every printed record shares: the kind of file, the Korean font, and the characters that it can show."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typst
from fontTools.ttLib import TTFont

# Level A of part 2 (tagged, Unicode text) and PDF/UA-1; stricter than part 3, which allows any attachment.
STANDARDS: list[typst.PDFStandard] = ["a-2a", "ua-1"]


def font_dir() -> Path:
    """Where the Korean font is installed."""
    # Found without importing the package, whose import loads matplotlib and changes its settings.
    spec = find_spec("koreanize_matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("koreanize_matplotlib, which brings the Korean font, is not installed")
    return Path(spec.origin).parent / "fonts"


@cache
def fonts() -> typst.Fonts:
    """The fonts of the wheel and no others, so that the bytes do not depend on the machine."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(font_dir())])


@cache
def glyphs() -> frozenset[str]:
    """The characters that both weights can show; PDF/A forbids any other."""
    covered = []
    for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
        with TTFont(font_dir() / name, lazy=True) as font:
            covered.append(font.getBestCmap().keys())
    return frozenset(
        char
        for char in map(chr, covered[0] & covered[1])
        if unicodedata.category(char) not in {"Cc", "Cf", "Cn", "Co", "Cs"}
    )


@cache
def _stand_ins() -> dict[int, str]:
    """Signs that the font has under another number only: of equal meaning, or canonically equivalent."""
    stand_ins = {0x00B5: "μ", 0x2212: "-", 0x2010: "-", 0x2011: "-"}
    for char in sorted(glyphs()):
        composed = unicodedata.normalize("NFC", char)
        if len(composed) == 1 and composed not in glyphs():
            stand_ins[ord(composed)] = char
    return stand_ins


def printable(value: Any) -> Any:
    """`value` with every text in it on one line and every character that has no glyph named as [U+…]."""
    if isinstance(value, str):
        one_line = re.sub(r"[^\S\u00a0]+", " ", value).strip(" ")
        signs = unicodedata.normalize("NFC", one_line).translate(_stand_ins())
        return "".join(char if char in glyphs() else f"[U+{ord(char):04X}]" for char in signs)
    if isinstance(value, dict):
        return {key: printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [printable(item) for item in value]
    return value
