// An OPC UA client of another maker: node-opcua, which looks for the chemometric models of a server by their type.
// Arguments: one JSON of {url}. Commands: models (browse and read them all), write (try to change a node).
"use strict";
const { OPCUAClient, AttributeIds, NodeClass, BrowseDirection, DataType, StatusCodes, makeNodeId } = require("node-opcua");
const { say, listen } = require("./peer");

const told = JSON.parse(process.argv[2]);
const ADI = "http://opcfoundation.org/UA/ADI/";

async function references(session, nodeId, referenceTypeId) {
  const found = await session.browse({
    nodeId, referenceTypeId, includeSubtypes: true, browseDirection: BrowseDirection.Forward, resultMask: 63,
  });
  return found.references || [];
}

function plain(value) {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value) && value.length === 2 && typeof value[0] === "number") return value[0] * 4294967296 + value[1];
  if (ArrayBuffer.isView(value)) return Array.from(value);
  if (value.text !== undefined) return value.text;
  if (value.axisSteps !== undefined) {
    return { steps: Array.from(value.axisSteps), unit: value.engineeringUnits.displayName.text };
  }
  if (value.high !== undefined) return [value.low, value.high];
  if (value.displayName !== undefined) return value.displayName.text;
  return value;
}

async function read(session, nodeId) {
  const data = await session.read({ nodeId, attributeId: AttributeIds.Value });
  return { value: plain(data.value.value), status: data.statusCode.name, time: plain(data.sourceTimestamp) };
}

async function properties(session, nodeId) {
  const found = {};
  for (const one of await references(session, nodeId, "HasProperty")) {
    found[one.browseName.name] = { ns: one.browseName.namespaceIndex, ...(await read(session, one.nodeId)) };
  }
  return found;
}

async function ends(session, nodeId, referenceTypeId) {
  const found = {};
  for (const one of await references(session, nodeId, referenceTypeId)) {
    found[one.browseName.name] = {
      id: one.nodeId.toString(),
      type: one.typeDefinition.value,
      ...(await read(session, one.nodeId)),
      properties: await properties(session, one.nodeId),
    };
  }
  return found;
}

async function models(session, adi) {
  const found = [];
  const seen = new Set();
  let level = [["", "RootFolder"]];
  while (level.length) {
    const below = [];
    for (const [path, id] of level) {
      for (const one of await references(session, id, "HierarchicalReferences")) {
        const key = one.nodeId.toString();
        const known = one.nodeClass === NodeClass.Object || one.nodeClass === NodeClass.Variable;
        if (seen.has(key) || !known || one.browseName.name === "Server" || one.browseName.name === "Types") continue;
        seen.add(key);
        const here = `${path}/${one.browseName.name}`;
        const type = one.typeDefinition;
        if (type.namespace === adi && type.value === 2007) {
          found.push({
            path: here,
            id: key,
            ...(await read(session, one.nodeId)),
            properties: await properties(session, one.nodeId),
            inputs: await ends(session, one.nodeId, makeNodeId(4002, adi)),
            outputs: await ends(session, one.nodeId, makeNodeId(4003, adi)),
            components: await ends(session, one.nodeId, "HasComponent"),
          });
        } else {
          below.push([here, one.nodeId]);
        }
      }
    }
    level = below;
  }
  return found;
}

async function start() {
  const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 3, initialDelay: 100 } });
  await client.connect(told.url);
  const session = await client.createSession();
  const namespaces = await session.readNamespaceArray();
  const adi = namespaces.indexOf(ADI);
  listen({
    models: async () => say("models", { models: await models(session, adi), namespaces }),
    write: async ({ id, value }) => {
      try {
        const code = await session.write({
          nodeId: id, attributeId: AttributeIds.Value, value: { value: { dataType: DataType.Double, value } },
        });
        say("written", { status: code.name, good: code.equals(StatusCodes.Good) });
      } catch (error) {
        say("written", { status: String(error.message), good: false });
      }
    },
    // the next value that a subscription tells after the first
    follow: async ({ id }) => {
      const subscription = await session.createSubscription2({
        requestedPublishingInterval: 50, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10, publishingEnabled: true,
      });
      const item = await subscription.monitor(
        { nodeId: id, attributeId: AttributeIds.Value }, { samplingInterval: 0, queueSize: 10, discardOldest: true }, 2,
      );
      item.on("changed", (data) => say("changed", { value: plain(data.value.value), status: data.statusCode.name }));
    },
    end: async () => {
      await session.close();
      await client.disconnect();
      say("ended");
    },
  });
  say("ready");
}

start().catch((error) => say("error", { detail: String(error.stack) }));
