// A server of npm's modbus-serial: {do: "set", table, address, values}, {do: "mute", device, mute}, {do: "identify",
// objects}.
"use strict";
const { say, listen } = require("./peer");
const { ServerTCP } = require("modbus-serial");

const port = Number(process.argv[2]);
const tables = { holding: new Map(), input: new Map(), coil: new Map(), discrete: new Map() };
const muted = new Set();
const requests = [];
let identity = {};
const illegal = () => Object.assign(new Error("illegal"), { modbusErrorCode: 2 });

function reader(table, hole) {
  return (address, unit, callback) => {
    requests.push([table, address, unit]);
    if (muted.has(unit)) return;
    if (unit === 9) return callback(Object.assign(new Error("failure"), { modbusErrorCode: 4 }));
    if (!tables[table].has(address)) return callback(illegal());
    callback(null, tables[table].get(address));
  };
}

function many(table) {
  return (address, length, unit, callback) => {
    requests.push([table, address, length, unit]);
    if (muted.has(unit)) return;
    if (unit === 9) return callback(Object.assign(new Error("failure"), { modbusErrorCode: 4 }));
    const values = [];
    for (let at = address; at < address + length; at += 1) {
      if (!tables[table].has(at)) return callback(illegal());
      values.push(tables[table].get(at));
    }
    callback(null, values);
  };
}

const server = new ServerTCP(
  {
    getHoldingRegister: reader("holding"),
    getInputRegister: reader("input"),
    getMultipleHoldingRegisters: many("holding"),
    getMultipleInputRegisters: many("input"),
    getCoil: reader("coil"),
    getDiscreteInput: reader("discrete"),
    readDeviceIdentification: () => identity,
  },
  { host: "127.0.0.1", port, debug: false, unitID: 255 }
);
server.on("initialized", () => say("ready"));
server.on("socketError", () => say("socket"));

listen({
  set: ({ table, address, values }) => {
    values.forEach((value, at) => tables[table].set(address + at, value));
    say("set");
  },
  mute: ({ device, mute }) => {
    if (mute) muted.add(device);
    else muted.delete(device);
    say("muted");
  },
  identify: ({ objects }) => {
    identity = objects;
    say("identified");
  },
  requests: () => say("requests", { requests: requests.splice(0) }),
});
