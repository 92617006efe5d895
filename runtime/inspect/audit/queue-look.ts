/** Checks queues and workers, and finds keys of an unexpected type. */
import type { ShardReader } from "../shard-reader.js";
import type { AuditFinding } from "./finding.js";
import { keyPages } from "./pages.js";
import { queueFindings, workerFindings, type QueueFacts } from "./rules/index.js";

const FIXED_TYPES = {
  jobs: "hash",
  runs: "hash",
  active: "hash",
  leases: "zset",
  workers: "hash",
  done: "zset",
  dead: "zset",
  keys: "hash",
  keysExpiry: "zset",
  events: "hash",
  eventsExpiry: "zset",
  listeners: "zset",
  listenersExpiry: "zset",
  cancels: "set",
  waits: "hash",
  notes: "hash",
  draining: "string",
  limited: "hash",
  groups: "hash",
  waiting: "zset",
  paused: "hash",
  schedules: "hash",
  workflows: "hash",
  running: "zset",
  ended: "zset",
  meta: "hash",
  swept: "string",
  purging: "string",
} as const;
const QUEUE_TYPES: Readonly<Record<string, string>> = { pending: "list", due: "zset", wake: "list" };
const WEIGHT_OF_UNDECLARED = 1;

/** Names of all queues that have a key or a weight. */
export async function findQueues(reader: ShardReader): Promise<readonly string[]> {
  const names = new Set<string>();
  for await (const page of keyPages(reader, `${reader.keys.tag}:`)) {
    for (const key of page) {
      const [family = "", ...name] = key.slice(reader.keys.tag.length + 1).split(":");
      // Keys of other families belong to a later version or to somebody else.
      if (family in QUEUE_TYPES && name.length > 0) names.add(name.join(":"));
    }
  }
  for (const field of await reader.read((redis) => redis.hkeys(reader.keys.meta))) {
    if (field.startsWith("queue:")) names.add(field.slice("queue:".length));
  }
  return [...names].toSorted();
}

/** Keys of a wrong type, on which every other look would fail. */
export async function typeFindings(
  reader: ShardReader,
  queues: readonly string[],
): Promise<readonly AuditFinding[]> {
  const { keys } = reader;
  const expected = new Map<string, string>(
    Object.entries(FIXED_TYPES).map(([name, type]) => [keys[name as keyof typeof FIXED_TYPES], type]),
  );
  for (const queue of queues) {
    for (const [family, type] of Object.entries(QUEUE_TYPES))
      expected.set(keys.queue(queue)[family as keyof ReturnType<typeof keys.queue>], type);
  }
  const names = [...expected.keys()];
  const types = await reader.read((redis) => Promise.all(names.map((key) => redis.type(key))));
  return names.flatMap((key, index): AuditFinding[] => {
    const type = types[index]!;
    const right = expected.get(key)!;
    if (type === "none" || type === right) return [];
    return [{ code: "TW-F42", subject: key, expected: right, found: type }];
  });
}

export async function lookAtQueues(
  reader: ShardReader,
  queues: readonly string[],
): Promise<readonly { readonly facts: QueueFacts; readonly findings: readonly AuditFinding[] }[]> {
  const { keys } = reader;
  return await Promise.all(
    queues.map(async (name) => {
      const { pending, due, wake } = keys.queue(name);
      const [jobs = 0, later = 0, hints = 0, declared = 0] = await reader.together<number>((reads) =>
        reads.llen(pending).zcard(due).llen(wake).hexists(keys.meta, `queue:${name}`),
      );
      const facts = { name, pending: jobs, due: later, hints, declared: declared === 1 };
      return { facts, findings: queueFindings(facts) };
    }),
  );
}

/** Both repairs are plain writes that the protocol allows, and change nothing if all is well by then. */
export async function repairQueue(reader: ShardReader, { code }: AuditFinding, queue: string): Promise<void> {
  const { keys } = reader;
  if (code === "TW-F41") await reader.read((redis) => redis.ltrim(keys.queue(queue).wake, 0, 0));
  else await reader.read((redis) => redis.hsetnx(keys.meta, `queue:${queue}`, WEIGHT_OF_UNDECLARED));
}

export interface WorkerLook {
  readonly name: string;
  readonly findings: readonly AuditFinding[];
}

/** Workers without a lease that are registered, or still hold one of the jobs that the census saw. */
export async function lookAtWorkers(
  reader: ShardReader,
  owners: ReadonlyMap<string, readonly string[]>,
): Promise<readonly WorkerLook[]> {
  const { active, leases, workers } = reader.keys;
  const known = await reader.read((redis) => redis.hkeys(workers));
  return await Promise.all(
    [...new Set([...owners.keys(), ...known])].map(async (name) => {
      const sample = owners.get(name) ?? ["#"];
      const [lease, isKnown, holders] = await reader.together((reads) =>
        reads
          .zscore(leases, name)
          .hexists(workers, name)
          .hmget(active, ...sample),
      );
      const held = (holders as (string | null)[]).filter((owner) => owner === name).length;
      const facts = { name, hasLease: lease !== null, isKnown: isKnown === 1, active: held };
      return { name, findings: workerFindings(facts) };
    }),
  );
}
