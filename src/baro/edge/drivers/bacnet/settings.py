"""Settings of a connection to a BACnet/IP device."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from baro.edge.driver import DriverSettings


class Point(BaseModel):
    """One tag."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str = Field(min_length=1, description="The tag.")
    source: str = Field(default="", description="Its source in Baro. Empty: the one of the connection.")
    object: str = Field(
        pattern=r"^[a-z][a-z0-9-]*,\d{1,7}$", description="The object, such as analog-input,1 or binary-value,3."
    )
    property: str = Field(default="present-value", pattern=r"^[a-z][a-z0-9-]*$", description="The property.")
    scale: float = Field(default=1.0, description="The number is multiplied by this,")
    offset: float = Field(default=0.0, description="then this is added.")
    unit: str = Field(default="", description="Unit of the result.")
    subscribe: bool = Field(default=True, description="Subscribe to changes of the present value, if the device can.")

    def subscribes(self) -> bool:
        """May its changes be subscribed to?"""
        return self.subscribe and self.property == "present-value"


class BacnetLook(DriverSettings):
    """What has to be known to look at a BACnet/IP device, or at all devices of a network."""

    url: str = Field(
        pattern=r"^bacnet://[^/?#]+/?$",
        description="Address of the device: bacnet://192.0.2.7:47808; bacnet://*: whoever answers in our network.",
    )
    local: str = Field(
        default="",
        pattern=r"^([0-9.]+/\d{1,2}(:\d{1,5})?)?$",
        description="Our own address with its network, such as 192.0.2.5/24. Empty: the one that leads there.",
    )
    lowest: int = Field(default=0, ge=0, le=4_194_302, description="Lowest device instance that is asked for.")
    highest: int = Field(default=4_194_302, ge=0, le=4_194_302, description="Highest device instance.")
    instance: int = Field(default=599, ge=0, le=4_194_302, description="Our own device instance.")
    timeout_s: float = Field(default=2.0, gt=0, le=10, description="Longest wait for an answer, s.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError("the lowest instance is above the highest")
        return self


class BacnetSettings(DriverSettings):
    """Settings of one BACnet/IP connection."""

    url: str = Field(pattern=r"^bacnet://[^/?#]+/?$", description="Address of the device: bacnet://192.0.2.7:47808.")
    local: str = Field(
        pattern=r"^[0-9.]+/\d{1,2}(:\d{1,5})?$",
        description="Our own address with its network, such as 192.0.2.5/24 or 192.0.2.5/24:47809.",
    )
    source: str = Field(min_length=1, description="Source of the samples in Baro.")
    points: tuple[Point, ...] = Field(min_length=1, description="What is read.")
    instance: int = Field(
        default=599, ge=0, le=4_194_302, description="Our own device instance; unique in the network."
    )
    every_s: float = Field(default=5.0, gt=0, description="What cannot be subscribed to is polled every so many s.")
    check_s: float = Field(
        default=30.0,
        gt=0,
        description="What is subscribed to is read every so many s besides, so that silence is noticed.",
    )
    lifetime_s: int = Field(default=300, ge=10, le=86_400, description="Lifetime of a subscription, s; it is renewed.")
    lots: dict[str, str] = Field(default_factory=dict, description="Source to the tag that holds its lot.")
    timeout_s: float = Field(default=2.0, gt=0, description="Longest wait for an answer, s.")
    retries: int = Field(default=1, ge=0, le=10, description="A request without an answer is sent again so often.")
    retry_most_s: float = Field(default=10.0, gt=0, description="Longest pause between attempts to connect, s.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [(one.source or self.source, one.tag) for one in self.points]
        if len(set(names)) < len(names):
            raise ValueError("a tag stands twice")
        return self
