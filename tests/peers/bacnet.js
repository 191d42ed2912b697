// A device of node-bacnet: {do: "set", object: [type, instance], value: [tag, value], flags}, {do: "notify", object},
// {do: "cov", allow}, {do: "mute", mute}.
"use strict";
const { say, listen } = require("./peer");
const Bacnet = require("node-bacnet");

const [address, port] = process.argv.slice(2);
const device = new Bacnet({ interface: address, port: Number(port), apduTimeout: 1000 });
const objects = new Map();
const subscriptions = new Map();
let cov = true;
let mute = false;
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
  const values = new Map([
    [PropertyIdentifier.PRESENT_VALUE, { type: found.value[0], value: found.value[1] }],
    [PropertyIdentifier.STATUS_FLAGS, bits(found.flags)],
  ]);
  if (!values.has(property.id)) {
    return device.errorResponse(sender, ConfirmedServiceChoice.READ_PROPERTY, invokeId, ErrorClass.PROPERTY, ErrorCode.UNKNOWN_PROPERTY);
  }
  device.readPropertyResponse(sender, invokeId, objectId, property, [values.get(property.id)]);
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
    objects.set(key(...object), { value, flags: flags || 0 });
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
  mute: ({ mute: wanted }) => {
    mute = wanted;
    say("muted");
  },
});
