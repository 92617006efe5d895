/**
 * The engine of last resort: `js-redis-server`, a Redis written in JavaScript that runs inside this process.
 * It is not a dependency: it is used only if the project (or `.weft/`) has it installed.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { codeOf } from "../errors.js";

export const EMBEDDED_PACKAGE = "js-redis-server";
/** The version that taskweft's scripts were tested with. */
export const EMBEDDED_VERSION = "0.3.0";

export interface EmbeddedServer {
  readonly port: number;
  close(): Promise<void>;
}

interface EngineModule {
  createRedisMock(): Promise<{ readonly port?: number; readonly url: string; close(): Promise<void> }>;
}

/** The engine's entry file as resolved from the project; `undefined` if it is not installed. */
export function findEmbedded(root: string): string | undefined {
  for (const from of [root, join(root, ".weft")]) {
    try {
      return createRequire(join(from, "package.json")).resolve(EMBEDDED_PACKAGE);
    } catch (error) {
      if (codeOf(error) !== "MODULE_NOT_FOUND") throw error;
    }
  }
  return undefined;
}

export async function startEmbedded(entry: string): Promise<EmbeddedServer> {
  const engine = await importEngine(entry);
  acceptScriptFlags(entry);
  const server = await engine.createRedisMock();
  const port = server.port ?? Number(new URL(server.url).port);
  // Replies of a pipeline are sent in several small writes. With Nagle's algorithm each waits for an
  // acknowledgement that the kernel delays by 40 ms, and a worker drops from 1,400 to 90 jobs a second.
  const onConnection = (message: unknown) => {
    const { socket } = message as { socket?: unknown };
    if (socket instanceof Socket && socket.localPort === port) socket.setNoDelay(true);
  };
  subscribe("net.server.socket", onConnection);
  return {
    port,
    async close() {
      unsubscribe("net.server.socket", onConnection);
      await server.close();
    },
  };
}

/**
 * Redis reads `#!lua flags=...` in the first line of a script and hides it from Lua; this engine passes it to
 * Lua, which cannot parse it. Turning it into a comment is safe: the engine has no memory limit for
 * `allow-oom` to lift.
 */
function acceptScriptFlags(entry: string): void {
  const { LuaEngine } = createRequire(entry)("lua-redis-wasm") as LuaModule;
  const original = LuaEngine.prototype.evalWithArgs;
  if (patched.has(original)) return;
  const evalWithArgs: EvalWithArgs = function (this: unknown, script, keys, args) {
    const text = Buffer.from(script);
    if (text.subarray(0, 2).toString() === "#!") text.write("--");
    return original.call(this, text, keys, args);
  };
  patched.add(evalWithArgs);
  LuaEngine.prototype.evalWithArgs = evalWithArgs;
}

type EvalWithArgs = (this: unknown, script: Uint8Array, keys: unknown, args: unknown) => unknown;

interface LuaModule {
  readonly LuaEngine: { readonly prototype: { evalWithArgs: EvalWithArgs } };
}

const patched = new WeakSet<EvalWithArgs>();

/** `require.resolve` finds the CommonJS build, whose exports Node may put under `default`. */
async function importEngine(entry: string): Promise<EngineModule> {
  const loaded = (await import(pathToFileURL(entry).href)) as Record<string, unknown>;
  for (const candidate of [loaded, loaded["default"]]) {
    if (isEngine(candidate)) return candidate;
  }
  throw new Error(
    `${EMBEDDED_PACKAGE} at ${entry} has no createRedisMock(); taskweft knows ${EMBEDDED_VERSION}`,
  );
}

function isEngine(value: unknown): value is EngineModule {
  return (
    typeof value === "object" &&
    value !== null &&
    "createRedisMock" in value &&
    typeof value.createRedisMock === "function"
  );
}
