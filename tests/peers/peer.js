// What the peers share: lines of JSON in and out.
"use strict";
const readline = require("readline");

function say(event, data = {}) {
  process.stdout.write(JSON.stringify({ event, ...data }) + "\n");
}

function listen(commands) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const command = JSON.parse(line);
    try {
      await commands[command.do](command);
    } catch (error) {
      say("error", { detail: String((error && error.stack) || error) });
    }
  });
  lines.on("close", () => process.exit(0));
}

process.on("uncaughtException", (error) => say("error", { detail: String(error.stack) }));

module.exports = { say, listen };
