// An edge node of npm's sparkplug-client: {do: "device", device, payload}, {do: "data", device, payload}, {do: "node", payload}.
"use strict";
const { say, listen } = require("./peer");
const SparkplugClient = require("sparkplug-client");

const [url, group, node, username, password] = process.argv.slice(2);
const devices = new Map();

const client = SparkplugClient.newClient({
  serverUrl: url,
  username: username || "",
  password: password || "",
  groupId: group,
  edgeNode: node,
  clientId: `${group}-${node}`,
  version: "spBv1.0",
  keepalive: 5,
});

function prepared(payload) {
  for (const metric of payload.metrics) {
    if (metric.type === "Bytes") metric.value = Buffer.from(metric.value, "hex");
  }
  return payload;
}

function births() {
  client.publishNodeBirth({
    timestamp: Date.now(),
    metrics: [
      { name: "Node Control/Rebirth", type: "Boolean", value: false },
      { name: "uptime", type: "Int32", value: 1, timestamp: Date.now() },
    ],
  });
  for (const [device, payload] of devices) client.publishDeviceBirth(device, prepared(payload));
  say("birth");
}

client.on("birth", births);
client.on("ncmd", (payload) => {
  for (const metric of payload.metrics) {
    if (metric.name === "Node Control/Rebirth" && metric.value) {
      say("rebirth");
      births();
    }
  }
});
client.on("error", (error) => say("failed", { detail: String(error) }));
client.on("close", () => say("closed"));

listen({
  device: ({ device, payload }) => {
    devices.set(device, payload);
    client.publishDeviceBirth(device, prepared(payload));
  },
  data: ({ device, payload }) => client.publishDeviceData(device, prepared(payload)),
  death: ({ device }) => client.publishDeviceDeath(device, { timestamp: Date.now() }),
  node: ({ payload }) => client.publishNodeData(prepared(payload)),
  stop: () => client.stop(),
});
