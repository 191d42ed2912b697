"""Settings of a connection to an MQTT broker."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from baro.edge.driver import DriverSettings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SpectrumSettings(_Part):
    """A metric that holds a spectrum: a DataSet, or an array."""

    device: str = Field(description="The device, as group/node/device; of the edge node itself: group/node.")
    metric: str = Field(description="The metric: a DataSet, or an array of numbers.")
    source: str = Field(description="Source of the spectra in Baro.")
    x: str = Field(default="", description="Of a DataSet: the column with the axis. Empty: the axis is told otherwise.")
    y: str = Field(default="", description="Of a DataSet: the column with the values. Empty: the last one.")
    axis: tuple[float, ...] = Field(default=(), description="The axis, where it is fixed.")
    axis_metric: str = Field(default="", description="The metric of the same device that holds the axis as an array.")
    unit: str = Field(default="nm", description="Unit of the axis, such as nm or cm-1.")
    number: str = Field(
        default="",
        description="The metric with the acquisition number. Empty: counted here; then nobody knows what was missed.",
    )
    lot: str = Field(default="", description="The metric with the lot.")
    sample: str = Field(default="", description="The metric with the name of the sample.")


class TopicSettings(_Part):
    """A topic outside Sparkplug that holds one value."""

    topic: str = Field(min_length=1, description="The topic, without wildcards.")
    source: str = Field(description="Source of the samples in Baro.")
    tag: str = Field(description="The tag.")
    path: str = Field(default="", description="Of JSON: where the value is, such as data.t. Empty: all of it.")
    kind: Literal["number", "text", "array"] = Field(default="number", description="What the value is.")
    time: str = Field(default="", description="Of JSON: where the time is. Empty: the time of arrival counts.")
    time_as: Literal["ms", "s", "iso"] = Field(default="ms", description="How: ms or s since 1970, or ISO 8601.")
    scale: float = Field(default=1.0, description="The value is multiplied by this.")

    @field_validator("topic")
    @classmethod
    def _exact(cls, value: str) -> str:
        if "+" in value or "#" in value:
            raise ValueError("wildcards are not taken: name each topic")
        return value


class SparkplugSettings(DriverSettings):
    """Settings of one MQTT connection."""

    url: str = Field(
        pattern=r"^mqtts?://[^/?#]+/?$", description="Address of the broker: mqtt://host:1883 or mqtts://host:8883."
    )
    version: Literal["5", "3.1.1"] = Field(default="5", description="Version of MQTT.")
    host: str = Field(
        default="baro", description="Id of the Sparkplug host application. Empty: only the plain topics are read."
    )
    groups: tuple[str, ...] = Field(default=(), description="Groups that are read. Empty: all.")
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="Devices to read: group/node/device or group/node to source. Empty, and no spectra: all.",
    )
    tags: dict[str, str] = Field(
        default_factory=dict,
        description="Metrics to read, as group/node/device#metric to tag. Of devices not named here: all.",
    )
    lots: dict[str, str] = Field(default_factory=dict, description="Source to the metric that holds its lot.")
    spectra: tuple[SpectrumSettings, ...] = Field(default=(), description="Metrics that hold spectra.")
    topics: tuple[TopicSettings, ...] = Field(default=(), description="Plain topics.")
    user: str = Field(default="", description="User name at the broker.")
    password: str = Field(default="", description="Name of the secret that is its password.")
    authority: str = Field(
        default="", description="Name of the secret with the broker's certificate authority, PEM. Empty: the system's."
    )
    certificate: str = Field(default="", description="Name of the secret with our certificate, PEM.")
    key: str = Field(default="", description="Name of the secret with its private key, PEM.")
    client_id: str = Field(default="", description="MQTT client id. Empty: a random one.")
    keepalive_s: int = Field(default=10, ge=2, le=3600, description="Longest silence before the broker is asked, s.")
    reorder_s: float = Field(default=5.0, gt=0, description="Longest wait for a missing Sparkplug message, s.")
    rebirth_s: float = Field(default=5.0, gt=0, description="Shortest pause between requests for a birth, s.")
    payload_most: int = Field(default=8 * 1024 * 1024, ge=1024, description="Largest message that is taken, bytes.")
    retry_most_s: float = Field(default=10.0, gt=0, description="Longest pause between attempts to connect, s.")
