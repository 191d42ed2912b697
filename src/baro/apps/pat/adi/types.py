"""The types of OPC 10020 (ADI 1.01) and OPC 10000-100 (DI) that the published models need.

They are made here with the NodeIds and BrowseNames of the specifications, so that a client that knows ADI finds its
way. Tests hold them to the official information model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncua import Server, ua

DI = "http://opcfoundation.org/UA/DI/"
ADI = "http://opcfoundation.org/UA/ADI/"

FUNCTIONAL_GROUP = 1005
CHEMOMETRIC_MODEL, MVA_OUTPUT, ALARM_STATE, HAS_INPUT, HAS_OUTPUT = 2007, 2010, 3009, 4002, 4003
VARIABLE_TYPES: Mapping[str, tuple[int, int]] = {
    "ChemometricModelType": (CHEMOMETRIC_MODEL, ua.ObjectIds.ByteString),
    "MVAOutputParameterType": (MVA_OUTPUT, ua.ObjectIds.BaseDataType),
}
REFERENCE_TYPES: Mapping[str, tuple[int, str]] = {
    "HasInput": (HAS_INPUT, "InputOf"),
    "HasOutput": (HAS_OUTPUT, "OutputOf"),
}
# what a type requires of its instances: BrowseName -> data type
PROPERTIES: Mapping[str, Mapping[str, int]] = {
    "ChemometricModelType": {
        "Name": ua.ObjectIds.LocalizedText,
        "CreationDate": ua.ObjectIds.DateTime,
        "ModelDescription": ua.ObjectIds.LocalizedText,
    },
    "MVAOutputParameterType": {"AlarmState": ALARM_STATE},
}
EMPTY = {
    ua.ObjectIds.LocalizedText: ua.Variant(ua.LocalizedText(), ua.VariantType.LocalizedText),
    ua.ObjectIds.DateTime: ua.Variant(None, ua.VariantType.DateTime),
    ALARM_STATE: ua.Variant(0, ua.VariantType.Int32),
}
ALARM_STATES = {
    "NORMAL_0": 0,
    "WARNING_LOW_1": 1,
    "WARNING_HIGH_2": 2,
    "WARNING_4": 4,
    "ALARM_LOW_8": 8,
    "ALARM_HIGH_16": 16,
    "ALARM_32": 32,
}


@dataclass(frozen=True, slots=True)
class Indices:
    """Where the namespaces stand in the server: of DI, ADI and of the models."""

    di: int
    adi: int
    own: int


async def make_types(server: Server, at: Indices) -> None:
    """Put the types into a server that has none of them yet."""
    folder = server.get_node(ua.ObjectIds.FolderType)
    await folder.add_object_type(ua.NodeId(FUNCTIONAL_GROUP, at.di), ua.QualifiedName("FunctionalGroupType", at.di))
    states = await server.get_node(ua.ObjectIds.Enumeration).add_data_type(
        ua.NodeId(ALARM_STATE, at.adi), ua.QualifiedName("AlarmStateEnumeration", at.adi)
    )
    words = [
        ua.EnumValueType(Value=value, DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(name))
        for name, value in ALARM_STATES.items()
    ]
    await states.add_property(ua.NodeId("AlarmStates", at.own), ua.QualifiedName("EnumValues", 0), words)
    ordered = server.get_node(ua.ObjectIds.HasOrderedComponent)
    for name, (number, inverse) in REFERENCE_TYPES.items():
        await ordered.add_reference_type(
            ua.NodeId(number, at.adi), ua.QualifiedName(name, at.adi), symmetric=False, inversename=inverse
        )
    base = server.get_node(ua.ObjectIds.BaseDataVariableType)
    for name, (number, kind) in VARIABLE_TYPES.items():
        node = await base.add_variable_type(ua.NodeId(number, at.adi), ua.QualifiedName(name, at.adi), ua.NodeId(kind))
        for own, data_type in PROPERTIES[name].items():
            value_type = ua.NodeId(data_type, at.adi if data_type == ALARM_STATE else 0)
            made = await node.add_property(
                ua.NodeId(f"{name}/{own}", at.own),
                ua.QualifiedName(own, at.adi),
                EMPTY[data_type],
                datatype=value_type,
            )
            await made.set_modelling_rule(True)
