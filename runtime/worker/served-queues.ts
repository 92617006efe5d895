/**
 * The queues that a worker serves: all that are defined, or those that its options name. The options may name
 * queues that only Redis knows: a deploy that removes a queue leaves jobs in it, and steps of earlier runs
 * keep arriving there.
 */
import { toTaskweftError, unlessFull } from "../connection/index.js";
import type { QueueDefinition } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { optionInvalid } from "../option-values.js";
import { knownQueues } from "./leases/reaper.js";
import type { Logger } from "./handler.js";
import type { Home } from "./worker-part.js";

type Queues = readonly QueueDefinition[];

/**
 * Weight of a queue without a definition, because only the definition says how it shares slots with others.
 */
const WEIGHT_OF_OTHERS = 1;
/** After this long without an answer of a shard, the log says what the worker waits for (ms). */
const PATIENCE_MS = 5000;

/** Default: all defined queues. @throws TaskweftError `OptionInvalid` for an empty list. */
export function servedQueues(names: readonly string[] | undefined, defined: Queues): Queues {
  if (names === undefined) return defined;
  if (names.length === 0) throw optionInvalid("queues", `at least one of ${listOf(defined)}`, names);
  return [...new Set(names)].map(
    (name) => defined.find((queue) => queue.name === name) ?? { name, weight: WEIGHT_OF_OTHERS },
  );
}

/**
 * It is enough that one shard knows a queue, because a producer registers a queue only in the shards that it
 * sends to. An unreachable shard is not waited for when another one knows the queue. When none does, the
 * worker waits for it, and the log says so.
 * @throws TaskweftError `OptionInvalid` for a queue that neither the definitions nor these shards know; and
 * what Redis refuses.
 */
export async function assertKnown(
  served: Queues,
  defined: Queues,
  shards: readonly Home[],
  logger: Logger,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const known = new Set(defined.map(({ name }) => name));
  const missing = new Set(served.map(({ name }) => name).filter((name) => !known.has(name)));
  const look = async ({ connection, keys }: Home): Promise<void> => {
    for (const name of await knownQueues(connection, keys)) {
      known.add(name);
      missing.delete(name);
    }
    const [name] = missing;
    if (name === undefined) return;
    const expected = `queues of the definitions or of Redis (${[...known].toSorted().join(", ")})`;
    throw optionInvalid("queues", expected, name);
  };
  if (missing.size === 0) return;
  const patience = setTimeout(() => {
    const hint = "start the unreachable shard, or leave the queue out";
    logger.warn("queue not known to any reachable shard; waiting for the others", {
      queue: [...missing][0],
      hint,
    });
  }, patienceMs).unref();
  try {
    await Promise.any(shards.map(look));
  } catch (error) {
    const { errors } = error as AggregateError;
    const refused: unknown = errors.find((one) => !(one instanceof TaskweftError));
    throw refused === undefined ? errors.at(-1) : toTaskweftError(refused, "start");
  } finally {
    clearTimeout(patience);
  }
}

/**
 * Registers the defined queues, for tools and other workers. Other queues are registered already, and keep
 * their weight.
 */
export async function declareQueues(
  home: Home,
  { queues: served, logger }: { readonly queues: Queues; readonly logger: Logger },
  defined: Queues,
  known = (): Promise<void> => assertKnown(served, defined, [home], logger),
): Promise<void> {
  await known();
  const weights = served
    .filter((queue) => defined.includes(queue))
    .flatMap(({ name, weight }) => [`queue:${name}`, weight]);
  const { connection, keys } = home;
  if (weights.length > 0) await unlessFull(connection.redis.hset(keys.meta, ...weights));
}

function listOf(queues: Queues): string {
  return queues.map(({ name }) => name).join(", ");
}
