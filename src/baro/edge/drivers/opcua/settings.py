"""What an OPC UA connection is set to."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from baro.edge.driver import DriverSettings


class ChosenNode(BaseModel):
    """A variable that is read as a tag. node: with the address of its namespace, ``nsu=http://…;s=Hardness``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    tag: str
    node: str


class AllowedWrite(BaseModel):
    """A command that may be asked for: writing a number to `node` within low and high, or calling the method `node` of
    `object` without arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    node: str
    kind: Literal["write", "method"] = "write"
    object: str = ""
    low: float = -math.inf
    high: float = math.inf


class OpcUaSettings(DriverSettings):
    """Settings of one OPC UA connection."""

    security: Literal["best", "Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "None"] = Field(
        default="best", description="Security policy. best: the strongest that is offered. None: no protection at all."
    )
    mode: Literal["SignAndEncrypt", "Sign"] = Field(default="SignAndEncrypt", description="Security mode.")
    user: str = Field(default="", description="User name. Empty: anonymous, or by the user's certificate.")
    password: str = Field(default="", description="Name of the secret that holds the password.")
    user_certificate: str = Field(default="", description="Name of the secret with the user's certificate, PEM.")
    user_key: str = Field(default="", description="Name of the secret with the key of the user's certificate, PEM.")
    analysers: dict[str, str] = Field(
        default_factory=dict,
        description="ADI analysers to read: BrowseName to source. Nothing named at all: all, named after themselves.",
    )
    machines: dict[str, str] = Field(
        default_factory=dict, description="Objects whose analog variables are read as tags: BrowseName to source."
    )
    nodes: tuple[ChosenNode, ...] = Field(default=(), description="Single variables that are read as tags.")
    lots: dict[str, str] = Field(default_factory=dict, description="Source to the variable that tells its lot.")
    history: bool = Field(
        default=True, description="After a cut, read what the server kept of tags and spectra, where it keeps any."
    )
    writes: tuple[AllowedWrite, ...] = Field(
        default=(), description="What may be written, each time by an approved command only. Empty: nothing."
    )
    publishing_ms: int = Field(default=40, ge=5, le=60_000, description="Publishing interval, ms.")
    spectra_queue: int = Field(
        default=5000, ge=1, description="Most values that the server may hold for a variable of a spectrum."
    )
    tag_queue: int = Field(default=1000, ge=1, description="Most values that the server may hold for a tag.")
    settle_s: float = Field(
        default=0.25, gt=0, description="Longest wait of a spectrum for its number, lot and sample, s."
    )
    silence_s: float = Field(default=5.0, gt=0, description="After so long without a word the link counts as lost, s.")
    retry_most_s: float = Field(default=10.0, gt=0, description="Longest pause between attempts to connect, s.")

    @property
    def sources(self) -> tuple[str, ...]:
        """The names that are wanted; empty when every analyser is, whatever its name."""
        named = (*self.analysers.values(), *self.machines.values(), *(one.source for one in self.nodes))
        return tuple(dict.fromkeys(named))
