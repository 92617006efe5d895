// What the property test can see of a shard, in one shape for the model and for Redis. Times are left out but for what
// they mean.
import {
  parseRecord,
  parseRun,
  parseSteps,
  progressField,
  TOMBSTONE,
  waitsField,
} from "../../runtime/protocol/index.js";
import type { Shard } from "../support/shard.js";
import { QUEUES, type ShardModel } from "./shard-model.js";
import { waitsOf } from "./shard-waits.js";

export function seenInRedis(shard: Shard): unknown {
  const runs = Object.entries(shard.runs).map(([id, text]) => {
    const { attempts, crashes, state, detail, events } = parseRun(text);
    return [
      id,
      [attempts, crashes, state, state === "cancelled" && detail === 1, ...events.map((event) => event[1])],
    ];
  });
  const lease = (until: number) => (until === 0 ? "condemned" : until === 1.5 ? "ended" : "held");
  return {
    jobs: Object.fromEntries(
      Object.entries(shard.jobs).map(([id, text]) => [id, text !== TOMBSTONE && parseRecord(text)?.payload]),
    ),
    runs: Object.fromEntries(runs) as unknown,
    pending: shard.pending,
    due: Object.fromEntries(
      Object.entries(shard.due).map(([queue, due]) => [queue, Object.keys(due).toSorted()]),
    ),
    active: shard.active,
    done: Object.keys(shard.done).toSorted(),
    dead: Object.keys(shard.dead).toSorted(),
    keys: shard.keys,
    keyEnds: Object.keys(shard.keysExpiry).toSorted(),
    cancels: shard.cancels,
    waits: shard.waits,
    notes: Object.fromEntries(
      Object.entries(shard.notes).map(([field, text]) => [
        field,
        field.endsWith(" waits")
          ? waitsOf(text)
          : field.includes(" ")
            ? (JSON.parse(text) as unknown)
            : [...parseSteps(text)],
      ]),
    ),
    leases: Object.fromEntries(Object.entries(shard.leases).map(([worker, until]) => [worker, lease(until)])),
  };
}

export function seenInModel(model: ShardModel): unknown {
  const jobs = [...model.jobs].map(([id, { item }]) => [id, item.payload] as const);
  const runs = [...model.jobs].flatMap(([id, { run }]) =>
    run === undefined ? [] : [[id, [run.attempts, run.crashes, run.state, run.place, ...run.kinds]] as const],
  );
  const filled = QUEUES.filter((queue) => model.pending[queue]!.length > 0);
  const dueQueues = QUEUES.filter((queue) => model.due[queue]!.size > 0);
  return {
    jobs: Object.fromEntries([...jobs, ...[...model.tombstones].map((id) => [id, false] as const)]),
    runs: Object.fromEntries(runs),
    pending: Object.fromEntries(filled.map((queue) => [queue, model.pending[queue]!])),
    due: Object.fromEntries(dueQueues.map((queue) => [queue, [...model.due[queue]!.keys()].toSorted()])),
    active: Object.fromEntries(model.active),
    done: [...model.done].toSorted(),
    dead: [...model.dead].toSorted(),
    keys: Object.fromEntries(model.keys),
    keyEnds: [...model.keyEnds.keys()].toSorted(),
    cancels: [...model.cancels].toSorted(),
    waits: Object.fromEntries(model.waits),
    notes: Object.fromEntries([
      ...[...model.steps].map(([id, steps]) => [id, [...steps]] as const),
      ...[...model.listens].map(([id, lines]) => [waitsField(id), lines] as const),
      ...[...model.progress].map(([id, value]) => [progressField(id), value] as const),
    ]),
    leases: Object.fromEntries(model.leases),
  };
}
