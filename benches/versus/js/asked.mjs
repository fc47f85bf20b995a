// What both servers are told, as `../src/lib.rs` has it: `--mode echo|broadcast --plain PORT --tls PORT --certs FOLDER`.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    mode: { type: "string", default: "echo" },
    plain: { type: "string", default: "0" },
    tls: { type: "string", default: "0" },
    certs: { type: "string" },
  },
});

export const isEcho = values.mode === "echo";
export const plain = Number(values.plain);
export const tls = Number(values.tls);
export const certificate = {
  cert: readFileSync(`${values.certs}/dev-cert.pem`),
  key: readFileSync(`${values.certs}/dev-key.pem`),
};
/** The largest message that is taken, in bytes: barewire's default. */
export const messageBytes = 1024 * 1024;
/** Connections that may wait to be accepted: as many as barewire lets wait. */
export const backlog = 4096;
/** Seconds between two pings: barewire's default. */
export const heartbeat = 30;
