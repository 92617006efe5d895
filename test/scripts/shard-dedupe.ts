// The part of the model that dedupe keys are: what docs/definition-files.md says of the modes, over the maps of the shard.
import { latestWins } from "../../runtime/definition/index.js";
import type { ModelItem, ShardModel } from "./shard-model.js";

/** The job of a dedupe key, unless it has ended. */
export function unfinishedOf(model: ShardModel, key: string): string | undefined {
  const id = model.keys.get(key) ?? "";
  const { state } = model.runOf(id);
  const isThere = model.jobs.get(id)?.item.key === key && (state === "pending" || state === "retry");
  return isThere ? id : undefined;
}

/** A newer job of its key has been stored, and the newest wins. */
export function isSuperseded(model: ShardModel, id: string): boolean {
  const { key, dedupe } = model.jobs.get(id)!.item;
  return latestWins(dedupe) && (model.keys.get(key) ?? id) !== id;
}

/** What a new job with a dedupe key is answered; `undefined`: it is stored. */
export function deduplicate(model: ShardModel, item: ModelItem): string | undefined {
  const id = unfinishedOf(model, item.key);
  if (id === undefined || item.dedupe === "unfinished") return id;
  if (model.active.has(id)) return undefined;
  if (item.dedupe === "waiting") return id;
  const job = model.jobs.get(id)!;
  if (job.run !== undefined) {
    model.cancel(id, true);
    return undefined;
  }
  job.item = { ...item, id };
  job.replaced = true;
  const due = model.due[item.queue]!;
  // What waits for its time waits for the new one; a debounce that is due stays due.
  if (due.has(id) && !(item.dedupe === "debounce" && due.get(id) !== Infinity)) {
    due.delete(id);
    if (item.due === undefined) model.pending[item.queue]!.push(id);
    else due.set(id, item.due);
  }
  return `${id} replaced`;
}
