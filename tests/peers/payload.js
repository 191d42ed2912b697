// Tahu's sparkplug-payload: {do: "encode", payload} and {do: "decode", hex}.
"use strict";
const { say, listen } = require("./peer");
const sparkplug = require("sparkplug-payload").get("spBv1.0");

const plain = (key, value) => {
  if (typeof value === "bigint") return value.toString();
  if (value && value.type === "Buffer") return Buffer.from(value.data).toString("hex");
  if (value && value.low !== undefined && value.high !== undefined) {
    const big = (BigInt.asIntN(32, BigInt(value.high)) << 32n) | BigInt(value.low >>> 0);
    return (value.unsigned ? BigInt.asUintN(64, big) : big).toString();
  }
  return value;
};

listen({
  encode: ({ payload }) => {
    for (const metric of payload.metrics) {
      if (metric.type === "Bytes") metric.value = Buffer.from(metric.value, "hex");
    }
    say("encoded", { hex: Buffer.from(sparkplug.encodePayload(payload)).toString("hex") });
  },
  decode: ({ hex }) => {
    const payload = sparkplug.decodePayload(Buffer.from(hex, "hex"));
    say("decoded", { payload: JSON.parse(JSON.stringify(payload, plain)) });
  },
});
say("ready");
