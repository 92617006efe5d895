/**
 * Asks a local server over a bare socket whether it is up: the dev server is polled while it starts, and a
 * client library would retry, queue and log on its own.
 */
import { connect } from "node:net";
import { parseServerInfo, type ServerInfo } from "./server-info.js";

/** The reply to a command without arguments; `undefined` without an answer in time. */
function ask(port: number, command: string, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    let reply = "";
    const finish = (answer: string | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(undefined));
    socket.on("error", () => finish(undefined));
    socket.on("connect", () => socket.write(`${command}\r\n`));
    socket.on("data", (chunk) => {
      reply += chunk.toString("utf8");
      if (isWhole(reply)) finish(reply);
    });
    socket.on("close", () => finish(undefined));
  });
}

/** A status or error reply is one line; a bulk reply states its length in the first line. */
function isWhole(reply: string): boolean {
  const lineEnd = reply.indexOf("\r\n");
  if (lineEnd < 0) return false;
  if (!reply.startsWith("$")) return true;
  return Buffer.byteLength(reply) >= lineEnd + 2 + Number(reply.slice(1, lineEnd)) + 2;
}

/** Whether the server accepts commands. A server that is still loading its data does not. */
export async function answersPing(port: number, timeoutMs = 1000): Promise<boolean> {
  const reply = await ask(port, "PING", timeoutMs);
  return reply?.startsWith("+PONG") ?? false;
}

/**
 * What the server on this port reports about itself; `undefined` if there is none or it requires a password.
 */
export async function readServerInfo(port: number, timeoutMs = 1000): Promise<ServerInfo | undefined> {
  const reply = await ask(port, "INFO", timeoutMs);
  return reply?.startsWith("$") ? parseServerInfo(reply) : undefined;
}
