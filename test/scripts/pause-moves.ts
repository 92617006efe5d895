// A short history of a pause, a drain and a repair of the gate, which the histories of jobs do not know.
import { expect } from "vitest";
import type { ShardBench } from "./shard-bench.js";

const GROUP = "a:task k";

/** Calls of which only the keys matter. */
export const A_RECOUNT = {
  mends: false,
  group: GROUP,
  counted: "0",
  lastNumber: "0",
  waiting: 0,
  ids: ["j"],
} as const;
export const A_REGATE = {
  seen: { record: "job", run: undefined, owner: undefined, entry: undefined },
  target: "known",
  group: GROUP,
  longestSearch: 100,
  members: [],
} as const;

/** The scripts by which operators hold tasks and queues back. */
export async function playPause(bench: ShardBench): Promise<void> {
  expect(await bench.drain("task", "b:task")).toBe(true);
  expect(await bench.drain("task", "b:task", "accept")).toBe(true);
  expect(await bench.pause()).toBe(true);
  await bench.put({ parked: {}, limited: { group: { name: "a:task k", limit: 1 } } });
  await bench.claim("P", 0);
  expect(await bench.advance("P", { want: 9 })).toMatchObject({ ids: [] });
  expect(await bench.resume()).toBe(true);
  expect(await bench.advance("P", { want: 9 })).toMatchObject({ ids: ["parked", "limited"] });
  expect(await bench.log("P", { parked: ["a line"] })).toBe(1);
  const seen = { record: "job", run: undefined, owner: "P", entry: undefined } as const;
  const gate = { id: "parked", queue: "q", group: "a:task k", longestSearch: 100, members: [] };
  expect(await bench.regate({ ...gate, seen, target: "known" })).toBe("REPAIRED");
  const count = { group: "a:task k", counted: "1", lastNumber: "0", waiting: 0, ids: ["parked", "limited"] };
  expect(await bench.recount({ ...count, queues: ["q"], mends: true })).toBe("MOVED");
}
