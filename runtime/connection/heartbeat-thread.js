/**
 * Runs in a thread: renews a worker's lease while a handler blocks the worker's event loop. In plain
 * JavaScript, because a thread loads no TypeScript, whatever its worker runs from.
 *
 *   watching --(the main loop has not renewed for a while)--> renewing --(it renews again)--> watching
 *   renewing --(the main loop has not turned for maxBlockMs, or LOST)--> silent --(a new name)--> watching
 *
 * The thread renews only the name that it was given last, and never registers one: a lost lease stays lost.
 *
 * workerData: url or nodes (of a Cluster), options (of ioredis), script { sha, text }, leaseMs, paceMs,
 * maxBlockMs, and counters (a shared Int32Array: turns of the main loop; then for each part of the worker its
 * renewals, and the thread's renewals). Messages: { part, call }, where call is the { keys, args } of the
 * renewal to send for that part, or null while the part has no name.
 */
import { parentPort, workerData } from "node:worker_threads";

const { url, nodes, options, script, leaseMs, paceMs, maxBlockMs, counters } = workerData;
/** When the main loop is late (ms): it renews at 0.45 of the lease, and the thread notices a pace later. */
const LATE_AFTER_MS = 0.525 * leaseMs;
const LONGEST_RECONNECT_PAUSE_MS = 500;

const turns = { count: -1, at: performance.now() };
const parts = Array.from({ length: (counters.length - 1) / 2 }, (_unused, index) => ({
  renewalsAt: 1 + 2 * index,
  renewals: { count: -1, at: performance.now() },
  call: null,
  sending: false,
}));

let connected;

parentPort.on("message", (next) => {
  const part = parts[next.part];
  part.call = next.call;
  part.renewals.at = performance.now();
});

setInterval(() => {
  // Not before the first check: loading the client would slow down the worker's first jobs.
  connected ??= connect();
  const now = performance.now();
  note(turns, Atomics.load(counters, 0), now);
  for (const part of parts) {
    note(part.renewals, Atomics.load(counters, part.renewalsAt), now);
    const late = now - part.renewals.at > LATE_AFTER_MS;
    if (late && part.call !== null && !part.sending && now - turns.at < maxBlockMs) void renew(part, now);
  }
}, paceMs);

async function connect() {
  const { Cluster, Redis } = await import("ioredis");
  const pause = (times) => Math.min(50 * times, LONGEST_RECONNECT_PAUSE_MS);
  const all = {
    ...options,
    retryStrategy: pause,
    sentinelRetryStrategy: pause,
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  };
  const redis =
    nodes !== undefined
      ? // The Cluster client of ioredis is good enough for a single call that is repeated.
        new Cluster(nodes, {
          redisOptions: options,
          clusterRetryStrategy: pause,
          ...(options.natMap === undefined ? {} : { natMap: options.natMap }),
        })
      : url !== undefined
        ? new Redis(url, all)
        : new Redis(all);
  // The worker's own connection reports errors of Redis; an unhandled one would end the thread.
  redis.on("error", () => undefined);
  return redis;
}

function note(seen, count, now) {
  if (seen.count === count) return;
  seen.count = count;
  seen.at = now;
}

async function renew(part, now) {
  const sent = part.call;
  part.sending = true;
  try {
    const reply = await run(sent);
    if (reply !== "LOST") Atomics.add(counters, part.renewalsAt + 1, 1);
    else if (part.call === sent) part.call = null;
    part.renewals.at = Math.max(part.renewals.at, now);
  } catch {
    // The next check tries again. The heartbeat of the main loop logs such errors.
  } finally {
    part.sending = false;
  }
}

async function run({ keys, args }) {
  const redis = await connected;
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!error.message.startsWith("NOSCRIPT")) throw error;
  }
  return await redis.eval(script.text, keys.length, ...keys, ...args);
}
