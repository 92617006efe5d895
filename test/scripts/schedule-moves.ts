// Schedules, played script by script.
import { expect } from "vitest";
import { beginStep, newRun } from "./run-moves.js";
import { recordText, type ShardBench } from "./shard-bench.js";

/** The scripts of schedules, which the histories of jobs do not know. */
export async function playSchedule(bench: ShardBench): Promise<void> {
  const declared = await bench.declare({ s: "timing" });
  if (declared === "OTHER") throw new Error("expected to declare the first schedules");
  await bench.redis.hset(bench.keys.schedules, "s", '["timing",1,0,"",0,""]');
  const dueMs = declared.nowMs + 60_000;
  const later = { tickMs: 4, id: "later", record: recordText(), dueMs };
  expect(await bench.tick(1, [2, 3], { overlap: "skip" })).toBe(1);
  expect(await bench.tick(3, [4], { jobs: [later] })).toBe(1);
  const start = { ...newRun, run: "t5", begins: [beginStep("t5.a"), beginStep("t5.b", { delayMs: 60_000 })] };
  expect(await bench.tickRun(4, 5, { start, overlap: "skip" })).toBe(1);
  await bench.cancel("later");
  expect(await bench.tickRun(5, 6, { start: { ...start, run: "t6" }, overlap: "skip" })).toBe(0);
  expect(await bench.tickRun(6, 7, { start: { ...start, run: "t7" }, overlap: "replace" })).toBe("WAITING");
  expect(await bench.suspend("pause")).toBe("OK");
}
