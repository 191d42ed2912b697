"""What an OPC UA connection is set to."""

from __future__ import annotations

from pydantic import Field

from baro.edge.driver import DriverSettings


class OpcUaSettings(DriverSettings):
    """Settings of one OPC UA connection."""

    analysers: dict[str, str] = Field(
        default_factory=dict,
        description="ADI analysers to read: BrowseName to source. Empty: all, named after themselves.",
    )
    machines: dict[str, str] = Field(
        default_factory=dict, description="Objects whose analog variables are read as tags: BrowseName to source."
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
