// A device of node-bacnet: {do: "set", object: [type, instance], value: [tag, value], flags}, {do: "notify", object},
// {do: "cov", allow}, {do: "mute", mute}, {do: "device", instance, name, short}, {do: "describe", object, properties}.
"use strict";
const { say, listen } = require("./peer");
const Bacnet = require("node-bacnet");

const [address, port] = process.argv.slice(2);
const device = new Bacnet({ interface: address, port: Number(port), apduTimeout: 1000 });
const objects = new Map();
const subscriptions = new Map();
let cov = true;
let mute = false;
let me = null; // {instance, name, short}: short: an answer holds no more than one element of a list
const { PropertyIdentifier, ApplicationTag, ConfirmedServiceChoice, ErrorClass, ErrorCode } = Bacnet.enum;

const key = (type, instance) => `${type},${instance}`;
const bits = (flags) => ({ type: ApplicationTag.BIT_STRING, value: { bitsUsed: 4, value: [flags] } });

device.on("readProperty", ({ header, invokeId, payload }) => {
  if (mute) return;
  const sender = header.sender;
  const { objectId, property } = payload;
  const found = objects.get(key(objectId.type, objectId.instance));
  if (!found) {
    return device.errorResponse(sender, ConfirmedServiceChoice.READ_PROPERTY, invokeId, ErrorClass.OBJECT, ErrorCode.UNKNOWN_OBJECT);
  }
  const values = properties(found);
  if (me && me.short && property.id === PropertyIdentifier.OBJECT_LIST && property.index === 4294967295) {
    return device.abortResponse ? device.abortResponse(sender, invokeId, 4) : device.errorResponse(sender, ConfirmedServiceChoice.READ_PROPERTY, invokeId, ErrorClass.SERVICES, ErrorCode.OTHER);
  }
  if (!values.has(property.id)) {
    return device.errorResponse(sender, ConfirmedServiceChoice.READ_PROPERTY, invokeId, ErrorClass.PROPERTY, ErrorCode.UNKNOWN_PROPERTY);
  }
  const value = [values.get(property.id)].flat();
  const index = property.index;
  const part = index === 4294967295 ? value : index === 0 ? [{ type: ApplicationTag.UNSIGNED_INTEGER, value: value.length }] : [value[index - 1]];
  device.readPropertyResponse(sender, invokeId, { type: objectId.type, instance: found.instance ?? objectId.instance }, property, part);
});

function properties(found) {
  const values = new Map(found.described || []);
  if (found.value) {
    values.set(PropertyIdentifier.PRESENT_VALUE, { type: found.value[0], value: found.value[1] });
    values.set(PropertyIdentifier.STATUS_FLAGS, bits(found.flags));
  }
  if (found.isDevice) {
    const list = [...objects.values()].filter((one) => one.id).map((one) => ({ type: ApplicationTag.OBJECTIDENTIFIER, value: { type: one.id[0], instance: one.id[1] } }));
    values.set(PropertyIdentifier.OBJECT_LIST, list);
  }
  return values;
}

device.on("readPropertyMultiple", ({ header, invokeId, payload }) => {
  if (mute) return;
  const answer = payload.properties.map(({ objectId, properties: wanted }) => {
    const values = properties(objects.get(key(objectId.type, objectId.instance)) || {});
    const there = wanted.filter((one) => values.has(one.id));
    return { objectId, values: there.map((one) => ({ property: one, value: [values.get(one.id)].flat() })) };
  });
  device.readPropertyMultipleResponse(header.sender, invokeId, answer);
});

device.on("whoIs", ({ header, payload }) => {
  if (mute || !me) return;
  const { lowLimit, highLimit } = payload;
  if (lowLimit !== undefined && (me.instance < lowLimit || me.instance > highLimit)) return;
  device.iAmResponse(header.sender, me.instance, 3, 260);
});

device.on("subscribeCov", ({ header, invokeId, payload }) => {
  if (mute) return;
  const sender = header.sender;
  if (!cov) {
    return device.errorResponse(sender, ConfirmedServiceChoice.SUBSCRIBE_COV, invokeId, ErrorClass.SERVICES, ErrorCode.SERVICE_REQUEST_DENIED);
  }
  const object = payload.monitoredObjectId;
  if (payload.cancellationRequest) subscriptions.delete(key(object.type, object.instance));
  else subscriptions.set(key(object.type, object.instance), { sender, payload, object });
  device.simpleAckResponse(sender, ConfirmedServiceChoice.SUBSCRIBE_COV, invokeId);
  say("subscribed", { object, lifetime: payload.lifetime });
});
device.on("unhandledEvent", () => {});
device.on("error", (error) => say("failed", { detail: String(error) }));
device.on("listening", () => say("ready"));

listen({
  set: ({ object, value, flags }) => {
    const known = objects.get(key(...object)) || {};
    objects.set(key(...object), { ...known, id: object, value, flags: flags || 0 });
    say("set");
  },
  notify: ({ object }) => {
    const { sender, payload, object: id } = subscriptions.get(key(...object));
    const found = objects.get(key(...object));
    const values = [
      { property: { id: PropertyIdentifier.PRESENT_VALUE }, value: [{ type: found.value[0], value: found.value[1] }] },
      { property: { id: PropertyIdentifier.STATUS_FLAGS }, value: [bits(found.flags)] },
    ];
    device.confirmedCOVNotification(sender, id, payload.subscriberProcessId, 7, payload.lifetime, values, {}, (error) =>
      say("notified", { error: error ? String(error) : "" })
    );
  },
  cov: ({ allow }) => {
    cov = allow;
    say("cov");
  },
  device: ({ instance, name, short, services }) => {
    me = { instance, name, short };
    const text = (value) => ({ type: ApplicationTag.CHARACTER_STRING, value });
    const described = new Map([
      [PropertyIdentifier.OBJECT_NAME, text(name)],
      [PropertyIdentifier.VENDOR_NAME, text("Airworks")],
      [PropertyIdentifier.MODEL_NAME, text("AHU-9")],
      [PropertyIdentifier.PROTOCOL_SERVICES_SUPPORTED, { type: ApplicationTag.BIT_STRING, value: { bitsUsed: 40, value: services } }],
    ]);
    for (const number of [instance, 4194303]) objects.set(key(8, number), { isDevice: true, instance, described });
    say("device");
  },
  describe: ({ object, properties: told }) => {
    const known = objects.get(key(...object));
    known.described = new Map(Object.entries(told).map(([id, [type, value]]) => [Number(id), { type, value }]));
    say("described");
  },
  mute: ({ mute: wanted }) => {
    mute = wanted;
    say("muted");
  },
});
