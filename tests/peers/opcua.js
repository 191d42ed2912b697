// An OPC UA server of another maker: node-opcua, with a machine, a DI device, history, users and methods.
// Arguments: one JSON of {port, certificate, key, pki, policies, anonymous, accept, di}.
"use strict";
const {
  OPCUAServer, OPCUACertificateManager, SecurityPolicy, MessageSecurityMode, Variant, DataType, StatusCodes,
  UserTokenType, nodesets, standardUnits, makeAccessLevelFlag,
} = require("node-opcua");
const { say, listen } = require("./peer");

const told = JSON.parse(process.argv[2]);
const tags = {};

async function manager(name) {
  const found = new OPCUACertificateManager({
    rootFolder: `${told.pki}/${name}`,
    automaticallyAcceptUnknownCertificate: told.accept !== false,
  });
  await found.initialize();
  return found;
}

function analog(own, parent, name, unit, range, value) {
  tags[name] = own.addAnalogDataItem({
    componentOf: parent, browseName: name, engineeringUnitsRange: range, instrumentRange: range,
    engineeringUnits: unit, dataType: "Double", nodeId: `s=${name}`,
    accessLevel: makeAccessLevelFlag("CurrentRead | CurrentWrite | HistoryRead"),
    userAccessLevel: makeAccessLevelFlag("CurrentRead | CurrentWrite | HistoryRead"),
  });
  tags[name].setValueFromSource(new Variant({ dataType: DataType.Double, value }));
  return tags[name];
}

async function start() {
  const policies = told.policies.map((name) => SecurityPolicy[name]);
  const server = new OPCUAServer({
    port: told.port,
    hostname: "127.0.0.1",
    alternateHostname: ["127.0.0.1"],
    serverInfo: { applicationUri: told.uri },
    certificateFile: told.certificate,
    privateKeyFile: told.key,
    serverCertificateManager: await manager("server"),
    userCertificateManager: await manager("user"),
    securityPolicies: policies,
    securityModes: policies.includes(SecurityPolicy.None) && policies.length === 1
      ? [MessageSecurityMode.None]
      : [MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt].concat(
        policies.includes(SecurityPolicy.None) ? [MessageSecurityMode.None] : []),
    allowAnonymous: told.anonymous !== false,
    userManager: { isValidUser: (name, password) => name === "op1" && password === "secret" },
    nodeset_filename: told.di ? [nodesets.standard, nodesets.di] : [nodesets.standard],
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const tester = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Tester-7" });
  const hardness = analog(own, tester, "Hardness", standardUnits.newton, { low: 0, high: 400 }, 120);
  analog(own, tester, "Thickness", standardUnits.millimetre, { low: 0, high: 10 }, 4.2);
  tags.LotId = own.addVariable({ componentOf: tester, browseName: "LotId", dataType: "String", nodeId: "s=LotId" });
  tags.LotId.setValueFromSource(new Variant({ dataType: DataType.String, value: "LOT-7" }));
  tags.State = own.addMultiStateDiscrete({
    componentOf: tester, browseName: "State", enumStrings: ["Stopped", "Running", "Fault"], value: 1, nodeId: "s=State",
  });
  tags.Program = own.addVariable({ componentOf: tester, browseName: "Program", dataType: "String", nodeId: "s=Program" });
  tags.Program.setValueFromSource(new Variant({ dataType: DataType.String, value: "tablets 8 mm" }));
  const zero = own.addMethod(tester, {
    browseName: "Zero", nodeId: "s=Zero", inputArguments: [],
    outputArguments: [{ name: "Offset", dataType: DataType.Double, description: { text: "" } }],
  });
  let zeroed = 0;
  zero.bindMethod((inputs, context, done) => {
    zeroed += 1;
    say("zeroed", { count: zeroed });
    done(null, { statusCode: StatusCodes.Good, outputArguments: [{ dataType: DataType.Double, value: 0.25 }] });
  });
  if (told.di) {
    const di = space.getNamespaceIndex("http://opcfoundation.org/UA/DI/");
    const type = own.addObjectType({ browseName: "BalanceType", subtypeOf: space.findObjectType("DeviceType", di) });
    const device = type.instantiate({
      browseName: "Balance-3", componentOf: space.findNode(`ns=${di};i=5001`), optionals: ["ParameterSet"],
    });
    analog(own, device.getChildByName("ParameterSet") || device, "Weight", standardUnits.gram, { low: 0, high: 200 }, 12.5);
  }
  for (const name of ["Hardness", "Thickness"]) {
    space.installHistoricalDataNode(tags[name], { maxOnlineValues: 5000 });
  }
  await server.start();
  listen({
    set: async ({ tag, value }) => {
      const type = typeof value === "string" ? DataType.String : DataType.Double;
      tags[tag].setValueFromSource(new Variant({ dataType: type, value }));
      say("set", { tag });
    },
    // a value every `ms`, from `first` on, `count` of them
    ramp: async ({ tag, first, count, ms }) => {
      for (let n = 0; n < count; n += 1) {
        tags[tag].setValueFromSource(new Variant({ dataType: DataType.Double, value: first + n }));
        await new Promise((resolve) => setTimeout(resolve, ms));
      }
      say("ramped", { tag });
    },
  });
  say("ready", { written: hardness.browseName.toString() });
}

start().catch((error) => say("error", { detail: String(error.stack) }));
