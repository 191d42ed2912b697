"""What a watched folder is, and how its files become observations."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from baro import __version__
from baro.config import config
from baro.edge.driver import DriverSettings
from baro.edge.errors import MappingNeededError
from baro.edge.formats.mapping import Mapping


class FilesSettings(DriverSettings):
    """Settings of a watched folder. `url` is ``file:///path/of/the/folder``."""

    source: str = Field("folder", min_length=1, max_length=100, description="Name of the source in Baro.")
    settle: float = Field(2.0, ge=0.1, le=3600, description="Seconds that a file must stay as it is to be complete.")
    marker: str = Field("", max_length=20, description="Such as .done: a file is complete when NAME.done is there.")
    ignore: tuple[str, ...] = Field(
        ("*.tmp", "*.part", "*.filepart", "*.crdownload", "~*", ".*"),
        description="Names that are not looked at, such as those of files on their way.",
    )
    look: float = Field(1.0, ge=0.05, le=3600, description="Seconds between two looks at the folder.")
    blocks: Literal["first", "all"] = Field(
        "first", description="Of a file with several blocks, the first (the result) or all of them."
    )
    names: str = Field("", max_length=300, description="Pattern over the path, with groups called lot and sample.")
    zone: str = Field(
        "", description="Zone of files that tell none, such as Asia/Seoul. Empty: the time of the file is taken."
    )
    x_unit: str = Field("", max_length=20, description="Unit of the axis for files that tell none.")
    mapping: dict[str, Any] | None = Field(None, description="Mapping of plain tables.")
    memory: str = Field("", description="File that remembers what was read. Empty: below BARO_HOME.")
    largest: int = Field(64 * 1024 * 1024, ge=1, le=256 * 1024 * 1024, description="Bytes; larger files are refused.")
    keep: int = Field(1024 * 1024, ge=0, le=16 * 1024 * 1024, description="Bytes kept of a file that is refused.")

    @field_validator("url")
    @classmethod
    def _a_folder(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not unquote(parts.path).startswith("/"):
            raise ValueError("a folder is written file:///path")
        return value

    @field_validator("names")
    @classmethod
    def _a_pattern(cls, value: str) -> str:
        try:
            groups = set(re.compile(value).groupindex)
        except re.error as error:
            raise ValueError(f"no pattern: {error}") from error
        if value and (not groups or groups - {"lot", "sample"}):
            raise ValueError("groups are called lot and sample")
        return value

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        try:
            if value:
                ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone: {value}") from error
        return value

    @field_validator("mapping")
    @classmethod
    def _a_mapping(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            if value is not None:
                Mapping.from_json(value)
        except (MappingNeededError, TypeError) as error:
            raise ValueError(str(error)) from error
        return value

    @property
    def folder(self) -> str:
        """The path of the folder."""
        return unquote(urlsplit(self.url).path)

    @property
    def reading_key(self) -> str:
        """Stands for all that decides whether a file is read or refused."""
        values = [__version__, self.blocks, self.mapping, self.largest]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def memory_path(self) -> Path:
        """Where what was read is remembered."""
        if self.memory:
            return Path(self.memory)
        return config().home / "files" / config().company / (re.sub(r"[^\w.-]", "_", self.source) + ".sqlite")
