/** Tasks as an operator controls them: paused, draining, and how many of their jobs are put aside. */
import { TASK_NAME_PATTERN } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { parkedMembers, parseDraining, pausedTasks } from "../protocol/index.js";
import type { ShardReader } from "./shard-reader.js";
import type { TaskSummary } from "./types.js";

/**
 * The tasks that the caller knows, and all that are paused or draining, including tasks that are no longer in
 * the definitions.
 */
export async function listTasks(
  reader: ShardReader,
  known: readonly string[],
): Promise<readonly TaskSummary[]> {
  const { keys } = reader;
  const [fields, text] = await reader.together((reads) => reads.hgetall(keys.paused).get(keys.draining));
  const paused = pausedTasks(fields as string[]);
  const draining = parseDraining(text as string | null).task;
  const names = [...new Set([...known, ...paused.keys(), ...draining.keys()])].toSorted();
  return Promise.all(
    names.map(async (name): Promise<TaskSummary> => {
      const state = paused.get(name);
      const drainingAt = draining.get(name);
      const [from, to] = parkedMembers(name);
      // Only a task in the hash can have jobs put aside, so most tasks need no query.
      const parked =
        state === undefined ? 0 : await reader.read((redis) => redis.zlexcount(keys.waiting, from, to));
      return {
        name,
        ...(state === undefined || state === "resumed" ? {} : { pausedAt: state }),
        ...(drainingAt === undefined ? {} : { drainingAt }),
        parked,
      };
    }),
  );
}

/**
 * @throws TaskweftError `TaskUnknown` if the caller knows the project's tasks, and this one is neither
 *   among them nor paused or draining.
 */
export async function showTask(
  reader: ShardReader,
  known: readonly string[],
  name: string,
  operation: string,
): Promise<TaskSummary> {
  const tasks = await listTasks(reader, known.length === 0 ? [name] : known);
  const task = TASK_NAME_PATTERN.test(name) ? tasks.find((one) => one.name === name) : undefined;
  if (task !== undefined) return task;
  const list = known.length === 0 ? "" : ` Tasks: ${known.join(", ")}`;
  throw new TaskweftError("TaskUnknown", `no task named ${name}.${list}`, { operation });
}
