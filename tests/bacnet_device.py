"""A device of node-bacnet with objects, as a building has it."""

from __future__ import annotations

import socket
from typing import Any

from tests.node import NodeProgram

OURS, THEIRS = "127.0.0.2", "127.0.0.3"
REAL, UNSIGNED, TEXT, ENUMERATED = 4, 2, 7, 9
NAME, DESCRIPTION, UNITS, RELIABILITY, LOWEST, HIGHEST = "77", "28", "117", "103", "69", "65"
ALL_SERVICES = [0b0010_0000, 0b0101_0000, 0, 0, 0]  # subscribe-cov; read-property, read-property-multiple
FEW_SERVICES = [0, 0b0001_0000, 0, 0, 0]


def tell(program: NodeProgram, answer: str, **command: Any) -> None:
    program.tell(**command)
    program.expect(answer)


def furnish(program: NodeProgram, **device: Any) -> None:
    """An air handler: a temperature, a switch that is out of service, a value behind a name that is taken."""
    tell(program, "set", do="set", object=[0, 1], value=[REAL, 21.5])
    tell(program, "set", do="set", object=[3, 2], value=[ENUMERATED, 1], flags=8)
    tell(program, "set", do="set", object=[2, 7], value=[REAL, 4.0])
    tell(
        program,
        "described",
        do="describe",
        object=[0, 1],
        properties={
            NAME: [TEXT, "Supply air"],
            DESCRIPTION: [TEXT, "Room 101"],
            UNITS: [ENUMERATED, 62],
            RELIABILITY: [ENUMERATED, 0],
            LOWEST: [REAL, -10.0],
            HIGHEST: [REAL, 60.0],
        },
    )
    told = {NAME: [TEXT, "Door"], RELIABILITY: [ENUMERATED, 1]}
    tell(program, "described", do="describe", object=[3, 2], properties=told)
    tell(program, "described", do="describe", object=[2, 7], properties={NAME: [TEXT, "Door"], UNITS: [ENUMERATED, 53]})
    tell(program, "device", do="device", **{"instance": 4711, "name": "AHU 1", "services": ALL_SERVICES} | device)


def free_udp_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def own_address() -> str:
    """An address for our side: node-bacnet does not listen to 127.0.0.1, from where it would hear itself."""
    return f"{OURS}/8:{free_udp_port(OURS)}"
