"""The address space of the models in force, and the server that shows it. It knows no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from asyncua import Server, ua
from asyncua.common.node import Node
from asyncua.crypto.permission_rules import USER_TYPES, PermissionRuleset, User

from baro.apps.pat.adi.types import (
    ADI,
    ALARM_STATE,
    ALARM_STATES,
    CHEMOMETRIC_MODEL,
    DI,
    FUNCTIONAL_GROUP,
    HAS_INPUT,
    HAS_OUTPUT,
    MVA_OUTPUT,
    Indices,
    make_types,
)
from baro.science.chemometrics.model import Limits

MODELS = "urn:baro:models"
WAITING = ua.StatusCodes.BadWaitingForInitialData
NORMAL, WARNING_HIGH, WARNING = (ALARM_STATES[name] for name in ("NORMAL_0", "WARNING_HIGH_2", "WARNING_4"))
ALARM_HIGH, ALARM = ALARM_STATES["ALARM_HIGH_16"], ALARM_STATES["ALARM_32"]
TEXTS = ("LotId", "SampleId", "SpectrumDigest")


@dataclass(frozen=True, slots=True)
class Published:
    """A model in force on one instrument. axis: (p,) in `axis_unit`. low, high: reference values of its calibration."""

    instrument: str
    source: str
    code: str
    version: int
    digest: str
    axis_digest: str
    name: str
    quantity: str
    unit: str
    created_at: datetime
    approved_by: str
    latent_variables: int
    limits: Limits
    low: float
    high: float
    axis: tuple[float, ...] = field(repr=False)
    axis_unit: str = "nm"

    @property
    def key(self) -> str:
        """What its nodes are called by; the same for the next version of the model."""
        return f"{self.instrument}/{self.code}"

    @property
    def description(self) -> str:
        low, high = min(self.axis), max(self.axis)
        return (
            f"PLS, {self.latent_variables} latent variables: {self.quantity} in {self.unit} from {len(self.axis)}"
            f" channels, {low:g} to {high:g} {self.axis_unit}. Version {self.version}, SHA-256 {self.digest}."
        )


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest prediction of a model. None: the spectrum could not be predicted. usable: inside the model's limits
    and good at the device. at: when it was predicted."""

    at: datetime
    seq: int
    lot: str
    sample: str
    value: float | None
    t2: float | None
    q: float | None
    usable: bool
    spectrum_digest: str


class OnlyReading(PermissionRuleset):
    """Browsing, reading and subscribing; neither writing nor calling, whoever asks."""

    allowed = frozenset(
        ua.NodeId(one)
        for one in USER_TYPES
        if one
        not in (
            ua.ObjectIds.WriteRequest_Encoding_DefaultBinary,
            ua.ObjectIds.CallRequest_Encoding_DefaultBinary,
            ua.ObjectIds.HistoryReadRequest_Encoding_DefaultBinary,
        )
    ) | {
        ua.NodeId(one)
        for one in (
            ua.ObjectIds.BrowseNextRequest_Encoding_DefaultBinary,
            ua.ObjectIds.OpenSecureChannelRequest_Encoding_DefaultBinary,
        )
    }

    def check_validity(self, user: User, action_type_id: ua.NodeId, body: object) -> bool:
        return action_type_id in self.allowed


class ModelServer:
    """The server. `async with ModelServer(url) as server: await server.publish([...])`.

    Below Objects stands Models, below it each instrument with its ChemometricModelSettings, in which the models are,
    of the type ChemometricModelType: Name, CreationDate, ModelDescription, inputs by HasInput, outputs by HasOutput.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._server = Server()
        self._published: dict[str, Published] = {}

    async def __aenter__(self) -> Self:
        server = self._server
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name("Baro models")
        await server.set_application_uri(MODELS)
        server.allow_remote_admin(False)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity], permission_ruleset=OnlyReading())
        self._at = Indices(
            await server.register_namespace(DI),
            await server.register_namespace(ADI),
            await server.register_namespace(MODELS),
        )
        await make_types(server, self._at)
        self._root = await server.nodes.objects.add_folder(self._id("Models"), self._own("Models"))
        await server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    async def publish(self, models: Sequence[Published]) -> None:
        """Show these models and no others. What stays the same keeps its nodes and values."""
        wanted = {one.key: one for one in models}
        for key in [key for key, one in self._published.items() if wanted.get(key) != one]:
            gone = self._published.pop(key)
            await self._server.delete_nodes([self._node(key)], recursive=True)
            if not any(one.instrument == gone.instrument for one in self._published.values()):
                await self._server.delete_nodes([self._node(gone.instrument)], recursive=True)
        for key, one in wanted.items():
            if key not in self._published:
                await self._add(one)
                self._published[key] = one

    async def show(self, key: str, newest: Newest) -> None:
        """Put the newest prediction of a model that is published into its outputs."""
        model = self._published[key]
        limits = model.limits
        usable = ua.StatusCodes.Good if newest.usable else ua.StatusCodes.UncertainSubNormal
        outside = newest.value is None or not newest.usable
        beyond = newest.value is not None and not model.low <= newest.value <= model.high
        await self._output(key, "Value", newest.value, newest.at, usable, ALARM if outside else WARNING * beyond)
        for name, value, extreme, outlier in (
            ("T2", newest.t2, limits.t2_extreme, limits.t2_outlier),
            ("Q", newest.q, limits.q_extreme, limits.q_outlier),
        ):
            state = ALARM if value is None else _above(value, extreme, outlier)
            await self._output(key, name, value, newest.at, ua.StatusCodes.Good, state)
        for name, text in zip(TEXTS, (newest.lot, newest.sample, newest.spectrum_digest), strict=True):
            await self._write(f"{key}/{name}", ua.Variant(text, ua.VariantType.String), newest.at)
        await self._write(f"{key}/AcquisitionCounter", ua.Variant(newest.seq, ua.VariantType.Int64), newest.at)

    async def doubt(self) -> None:
        """The source of the predictions cannot be read now: what is shown is the last that was known."""
        for key in self._published:
            for name in ("Value", "T2", "Q"):
                shown = await self._node(f"{key}/{name}").read_data_value(raise_on_bad_status=False)
                if shown.StatusCode is not None and shown.StatusCode.is_good():
                    await self._write(
                        f"{key}/{name}", shown.Value, shown.SourceTimestamp, ua.StatusCodes.UncertainLastUsableValue
                    )

    # --- nodes

    async def _add(self, model: Published) -> None:
        at, key = self._at, model.key
        if not any(one.instrument == model.instrument for one in self._published.values()):
            place = await self._root.add_object(self._id(model.instrument), self._own(model.instrument))
            await self._property(place, f"{model.instrument}/Source", self._own("Source"), model.source)
            await place.add_object(
                self._id(f"{model.instrument}/ChemometricModelSettings"),
                ua.QualifiedName("ChemometricModelSettings", at.adi),
                objecttype=ua.NodeId(FUNCTIONAL_GROUP, at.di),
            )
        settings = self._node(f"{model.instrument}/ChemometricModelSettings")
        empty = ua.Variant(None, ua.VariantType.ByteString)
        node = await self._variable(settings, key, self._own(model.code), empty, ua.NodeId(CHEMOMETRIC_MODEL, at.adi))
        for name, value in (
            ("Name", ua.LocalizedText(model.name, "en")),
            ("CreationDate", model.created_at),
            ("ModelDescription", ua.LocalizedText(model.description, "en")),
        ):
            await self._property(node, f"{key}/{name}", ua.QualifiedName(name, at.adi), value)
        for name, text in (
            ("Code", model.code),
            ("Digest", model.digest),
            ("AxisDigest", model.axis_digest),
            ("ApprovedBy", model.approved_by),
        ):
            await self._property(node, f"{key}/{name}", self._own(name), text)
        await self._property(
            node, f"{key}/Version", self._own("Version"), ua.Variant(model.version, ua.VariantType.UInt32)
        )
        await node.add_reference(await self._spectrum(node, model), ua.NodeId(HAS_INPUT, at.adi))
        await self._outputs(node, model)

    async def _spectrum(self, node: Node, model: Published) -> Node:
        """The input: the axis that a spectrum has to have. The spectra themselves are served by the analyser."""
        key = f"{model.key}/Spectrum"
        nothing = ua.Variant([], ua.VariantType.Float, is_array=True)
        made = await self._variable(
            node, key, self._own("Spectrum"), nothing, ua.NodeId(ua.ObjectIds.YArrayItemType), rank=1
        )
        axis = ua.AxisInformation(
            EngineeringUnits=_unit(model.axis_unit),
            EURange=ua.Range(min(model.axis), max(model.axis)),
            Title=ua.LocalizedText("Spectral axis"),
            AxisScaleType=ua.AxisScaleEnumeration.Linear,
            AxisSteps=list(model.axis),
        )
        await self._property(made, f"{key}/XAxisDefinition", ua.QualifiedName("XAxisDefinition", 0), axis)
        await self._write(key, None, None, ua.StatusCodes.BadNoData)
        return made

    async def _outputs(self, node: Node, model: Published) -> None:
        limits = model.limits
        for name, ranges in (
            ("Value", (("EngineeringUnits", _unit(model.unit)), ("EURange", ua.Range(model.low, model.high)))),
            ("T2", _limits(limits.t2_extreme, limits.t2_outlier)),
            ("Q", _limits(limits.q_extreme, limits.q_outlier)),
        ):
            key = f"{model.key}/{name}"
            kind = ua.NodeId(MVA_OUTPUT, self._at.adi)
            made = await self._variable(node, key, self._own(name), ua.Variant(0.0, ua.VariantType.Double), kind)
            state = ua.Variant(NORMAL, ua.VariantType.Int32)
            await made.add_property(
                self._id(f"{key}/AlarmState"),
                ua.QualifiedName("AlarmState", self._at.adi),
                state,
                datatype=ua.NodeId(ALARM_STATE, self._at.adi),
            )
            for own, value in ranges:
                index = 0 if own.startswith("E") else self._at.adi
                await self._property(made, f"{key}/{own}", ua.QualifiedName(own, index), value)
            await node.add_reference(made, ua.NodeId(HAS_OUTPUT, self._at.adi))
            for waiting in (key, f"{key}/AlarmState"):
                await self._write(waiting, None, None, WAITING)
        plain = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
        for name, value in (
            *((one, ua.Variant("", ua.VariantType.String)) for one in TEXTS),
            ("AcquisitionCounter", ua.Variant(0, ua.VariantType.Int64)),
        ):
            await self._variable(node, f"{model.key}/{name}", self._own(name), value, plain)
            await self._write(f"{model.key}/{name}", None, None, WAITING)

    async def _output(self, key: str, name: str, value: float | None, at: datetime, status: int, state: int) -> None:
        shown = None if value is None else ua.Variant(float(value), ua.VariantType.Double)
        await self._write(f"{key}/{name}", shown, at, ua.StatusCodes.BadNoData if value is None else status)
        await self._write(f"{key}/{name}/AlarmState", ua.Variant(int(state), ua.VariantType.Int32), at)

    async def _write(self, key: str, value: ua.Variant | None, at: datetime | None, status: int = 0) -> None:
        data = ua.DataValue(value, StatusCode=ua.StatusCode(status), SourceTimestamp=at)
        await self._server.write_attribute_value(self._id(key), data)

    async def _variable(
        self, parent: Node, key: str, name: ua.QualifiedName, value: ua.Variant, kind: ua.NodeId, rank: int = -1
    ) -> Node:
        # made whole, since a browse tells the type that a node was made with
        known = ua.LocalizedText(name.Name)
        attributes = ua.VariableAttributes(
            DisplayName=known,
            Description=known,
            Value=value,
            DataType=ua.NodeId(value.VariantType.value),
            ValueRank=rank,
            AccessLevel=ua.AccessLevel.CurrentRead.mask,
            UserAccessLevel=ua.AccessLevel.CurrentRead.mask,
            WriteMask=0,
            UserWriteMask=0,
            Historizing=False,
        )
        item = ua.AddNodesItem(
            RequestedNewNodeId=self._id(key),
            BrowseName=name,
            NodeClass=ua.NodeClass.Variable,
            ParentNodeId=parent.nodeid,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
            TypeDefinition=kind,
            NodeAttributes=attributes,
        )
        (made,) = await parent.session.add_nodes([item])
        made.StatusCode.check()
        return self._server.get_node(made.AddedNodeId)

    async def _property(self, node: Node, key: str, name: ua.QualifiedName, value: object) -> None:
        await node.add_property(self._id(key), name, value)

    def _id(self, key: str) -> ua.NodeId:
        return ua.NodeId(key, self._at.own)

    def _own(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self._at.own)

    def _node(self, key: str) -> Node:
        return self._server.get_node(self._id(key))


def _above(value: float, extreme: float, outlier: float) -> int:
    if value > outlier:
        return ALARM_HIGH
    return WARNING_HIGH if value > extreme else NORMAL


def _limits(extreme: float, outlier: float) -> tuple[tuple[str, ua.Range], ...]:
    """The warning begins at the extreme limit, the alarm at the outlier limit."""
    return ("WarningLimits", ua.Range(0.0, extreme)), ("AlarmLimits", ua.Range(0.0, outlier))


def _unit(name: str) -> ua.EUInformation:
    return ua.EUInformation(DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(name), UnitId=-1)
