// What the scripts do for handlers that wait for an event `e`, which is found by its field `id`.
import { expect } from "vitest";
import { waitMember } from "../../runtime/protocol/index.js";
import {
  listen,
  type ListenReply,
  type ScriptRunner,
  tell,
  type TellReply,
} from "../../runtime/scripts/index.js";
import { HOUR_MS, type ShardBench } from "./shard-bench.js";

/** The handler of a job waits for the event whose field is `value`. */
export async function listenTo(
  { connection, keys }: ShardBench,
  worker: string,
  id: string,
  {
    name = "w",
    value = 1 as unknown,
    timeoutMs = HOUR_MS,
    queue = "q",
    runner = connection as ScriptRunner,
  } = {},
): Promise<ListenReply> {
  const member = waitMember(headOf(value), queue, id, name);
  return await listen(runner, { keys, worker, id, name, member, timeoutMs });
}

/** Emits the event whose field is `value` under an id. */
export async function emit(
  { connection, keys }: ShardBench,
  id: string,
  { value = 1 as unknown, queues = ["q"] as readonly string[], runner = connection as ScriptRunner } = {},
): Promise<TellReply> {
  const payload = JSON.stringify({ id: value });
  return await tell(runner, { keys, id, payload, head: headOf(value), behind: undefined, queues });
}

/** One job waits, and hears of it. */
export async function playWait(bench: ShardBench, runner: ScriptRunner): Promise<void> {
  await bench.put({ waits: {} });
  await bench.claim("A", 1);
  expect(await listenTo(bench, "A", "waits", { runner })).toHaveProperty("until");
  expect((await emit(bench, "event", { runner })).jobs).toEqual(["waits"]);
}

function headOf(value: unknown): string {
  return `e ["id"]\n${JSON.stringify(value)}\n`;
}
