// The part of the model that a purge is: all jobs of a state in a queue, as if each were removed, and no hole is left of them.
import type { PurgePlace } from "../../runtime/scripts/index.js";
import type { ShardModel } from "./shard-model.js";

export const PURGES = [
  ["pending", "pending"],
  ["due", "scheduled"],
  ["due", "retry"],
  ["done", "completed"],
  ["done", "cancelled"],
  ["dead", "dead"],
] as const satisfies readonly (readonly [PurgePlace, string])[];

/** Returns how many went. */
export function purge(model: ShardModel, queue: string, [place, state]: (typeof PURGES)[number]): number {
  const listed = place === "pending" ? model.pending[queue]!.splice(0) : [];
  for (const id of listed) {
    model.tombstones.delete(id);
    const run = model.jobs.get(id)?.run;
    if (run?.state === "cancelled") model.jobs.get(id)!.run = { ...run, place: false };
  }
  const ids = [...model.jobs].flatMap(([id, { item, run }]) => {
    const stands = {
      pending: listed.includes(id) && run?.state !== "cancelled",
      due: model.due[queue]!.has(id) && (run?.state === "retry") === (state === "retry"),
      done: model.done.has(id) && run?.state === state,
      dead: model.dead.has(id),
    }[place];
    return item.queue === queue && stands ? [id] : [];
  });
  for (const id of ids) forget(model, id, queue);
  return ids.length;
}

function forget(model: ShardModel, id: string, queue: string): void {
  const { item, run } = model.jobs.get(id)!;
  if (model.keys.get(item.key) === id) model.keys.delete(item.key);
  if (run?.place === true) model.tombstones.add(id);
  model.due[queue]!.delete(id);
  for (const index of [model.jobs, model.done, model.dead, model.faded, model.waits, model.steps])
    index.delete(id);
  model.progress.delete(id);
  model.listens.delete(id);
}
