/**
 * Runs in a thread: renews a worker's lease while the worker's event loop is blocked by a handler. In plain JavaScript,
 * because a thread loads no TypeScript, whatever its worker runs from.
 *
 *   watching --(the main loop renewed nothing for a while)--> renewing --(it renews again)--> watching
 *   renewing --(the main loop was not seen for maxBlockMs, or LOST)--> silent --(a new name)--> watching
 *
 * It renews only the name that it was given last, and by renewals only: a lease that was lost stays lost.
 *
 * workerData: url or nodes (of a Cluster), options (of ioredis), script { sha, text }, leaseMs, paceMs, maxBlockMs, counters (Int32Array, shared:
 * turns of the main loop; then for each part of the worker its renewals, and the thread's renewals). Messages: { part, call }: the
 * { keys, args } of the renewal to send for that part, or null while it has no name.
 */
import { parentPort, workerData } from "node:worker_threads";

const { url, nodes, options, script, leaseMs, paceMs, maxBlockMs, counters } = workerData;
/** Part of the lease after which the main loop is late: its own renewals come at 0.45, and are seen a pace later. */
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
  // Not at the start: loading the client takes the processor from the worker's first jobs, and no lease is late yet.
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
      ? // Its own search of nodes is good enough for one call that is sent again and again.
        new Cluster(nodes, {
          redisOptions: options,
          clusterRetryStrategy: pause,
          ...(options.natMap === undefined ? {} : { natMap: options.natMap }),
        })
      : url !== undefined
        ? new Redis(url, all)
        : new Redis(all);
  // The worker's own connection says what is wrong with Redis; an outage ends the thread of nobody.
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
    // Not renewed: the next look tries again. Whoever reads the log hears of it from the main loop's own heartbeat.
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
