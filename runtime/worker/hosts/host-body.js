/**
 * The program of a host: a thread or a process in which the handlers of isolated tasks run. In plain
 * JavaScript, because a thread loads no TypeScript before it is told to. It imports the module that makes the
 * registry. The `isolatedIn()` call of that module finds this host through a global symbol, and serves its
 * jobs from then on. So handlers, errors and this library come from the same module instances, whatever runs
 * them.
 */
import { Worker as Thread, parentPort, workerData } from "node:worker_threads";

const HOST = Symbol.for("taskweft.host");
const LOOK_FOR_PARENT_MS = 1000;
/** Most messages of a thread that its worker has not handled yet. */
const MOST_UNHANDLED = 256;

const port = parentPort === null ? processPort() : threadPort();
const start = await new Promise((resolve) => {
  port.listen(resolve);
});
const host = { module: start.module, client: start.client, port, served: false };
globalThis[HOST] = host;
try {
  if (/\.[cm]?tsx?$/.test(start.module)) await enableTypeScript();
  await import(start.module);
  if (!host.served)
    throw new Error(
      `expected ${start.module} to make the registry with isolatedIn(import.meta.url, ...), as generated code does`,
    );
  port.post({ type: "ready" });
} catch (error) {
  port.post({ type: "failed", error: textOf(error) });
}

function threadPort() {
  let listener = () => undefined;
  parentPort.on("message", (message) => listener(message));
  const { handled } = workerData;
  let sent = 0;
  return {
    post: (message) => {
      parentPort.postMessage({ taskweft: message });
      sent = (sent + 1) | 0;
      for (let seen = Atomics.load(handled, 0); ((sent - seen) | 0) > MOST_UNHANDLED;) {
        Atomics.wait(handled, 0, seen);
        seen = Atomics.load(handled, 0);
      }
    },
    listen: (next) => {
      listener = next;
    },
    exit: () => process.exit(),
  };
}

function processPort() {
  let listener = () => undefined;
  process.on("message", (message) => listener(message));
  // Ctrl-C and systemd signal the whole process group, but the worker decides when this process ends.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("disconnect", () => process.exit());
  // The worker may have been killed while this process was starting.
  if (!process.connected) process.exit();
  // As in the worker: the reader of its output may be gone. What is printed is lost then, but the jobs must not be.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const post = (message) => {
    if (process.connected) process.send({ taskweft: message }, undefined, undefined, () => undefined);
  };
  process.on("uncaughtExceptionMonitor", (error) => post({ type: "crash", error: textOf(error) }));
  endWithParent();
  return {
    post,
    listen: (next) => {
      listener = next;
    },
    exit: () => process.exit(),
  };
}

/** A handler that never yields would not notice "disconnect", and would run for ever without its worker. */
function endWithParent() {
  const program = `
    const parent = require("node:worker_threads").workerData;
    setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGKILL"), ${LOOK_FOR_PARENT_MS});`;
  const options = { eval: true, workerData: process.ppid, execArgv: [], env: {} };
  new Thread(program, { ...options, resourceLimits: { maxYoungGenerationSizeMb: 2 } })
    .on("error", () => undefined)
    .unref();
}

async function enableTypeScript() {
  const [esm, cjs] = await Promise.all([import("tsx/esm/api"), import("tsx/cjs/api")]);
  esm.register();
  cjs.register();
  process.setSourceMapsEnabled(true);
}

/** Encodes an error by hand, because this library is loaded only with the registry. */
function textOf(error) {
  if (!(error instanceof Error)) return { text: String(error) };
  const { name, message, stack = "", code } = error;
  return { name, message, stack, permanent: false, ...(typeof code === "string" ? { code } : {}) };
}
