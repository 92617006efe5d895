// The table of dedupe modes, cell by cell: the same for one enqueue and for one among others in a call.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DEDUPE_MODES, type DedupeMode } from "../../runtime/definition/index.js";
import { parseRun } from "../../runtime/protocol/index.js";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

type Answer = "existing" | "replaced" | "stored" | "stored, the other is cancelled";
type Cells = Readonly<Record<keyof typeof STATES, Answer>>;

/** What brings the job `old` into each state. */
const STATES = {
  waits: async () => {},
  "waits for a retry": async (bench: ShardBench) => {
    await bench.claim("A", 1);
    await fail(bench, "retry", [1, "failed", 1, "E", "m", "s"]);
  },
  runs: async (bench: ShardBench) => {
    await bench.claim("A", 1);
  },
  sleeps: async (bench: ShardBench) => {
    await bench.claim("A", 1);
    await fail(bench, "retry", [1, "slept", 2], "pending");
  },
  "waits for an event": async (bench: ShardBench) => {
    await bench.claim("A", 1);
    await fail(bench, "retry", [1, "waited", 2], "pending");
  },
  completed: async (bench: ShardBench) => {
    await bench.claim("A", 1);
    const run = runText({ attempts: 1, state: "completed" });
    await bench.advance("A", { kept: [{ id: "old", run, keepMs: HOUR_MS }] });
  },
  "completed and gone": async (bench: ShardBench) => {
    await bench.advance("A", { dropped: await bench.claim("A", 1) });
  },
  dead: async (bench: ShardBench) => {
    await bench.claim("A", 1);
    await fail(bench, "dead", [1, "failed", 1, "E", "m", "s"]);
  },
  cancelled: async (bench: ShardBench) => {
    await bench.cancel("old");
  },
  deleted: async (bench: ShardBench) => {
    await bench.remove("old");
  },
} as const;

async function fail(
  bench: ShardBench,
  outcome: "dead" | "retry",
  event: readonly [number, ...unknown[]],
  state: "dead" | "pending" | "retry" = outcome,
): Promise<void> {
  const run = runText({ attempts: 1, state, events: [event] as never });
  expect(await bench.fail("A", "old", outcome, { run })).toBe(outcome);
}

const FREE = {
  completed: "stored",
  "completed and gone": "stored",
  dead: "stored",
  cancelled: "stored",
  deleted: "stored",
} as const;
const LATEST = {
  waits: "replaced",
  "waits for a retry": "stored, the other is cancelled",
  runs: "stored",
  sleeps: "stored",
  "waits for an event": "stored",
  ...FREE,
} as const;
const TABLE: Readonly<Record<DedupeMode, Cells>> = {
  unfinished: {
    waits: "existing",
    "waits for a retry": "existing",
    runs: "existing",
    sleeps: "existing",
    "waits for an event": "existing",
    ...FREE,
  },
  waiting: {
    waits: "existing",
    "waits for a retry": "existing",
    runs: "stored",
    sleeps: "stored",
    "waits for an event": "stored",
    ...FREE,
  },
  throttle: {
    waits: "existing",
    "waits for a retry": "existing",
    runs: "existing",
    sleeps: "existing",
    "waits for an event": "existing",
    completed: "existing",
    "completed and gone": "existing",
    dead: "existing",
    cancelled: "existing",
    deleted: "stored",
  },
  replace: LATEST,
  debounce: LATEST,
};

/** As job-key.ts makes it. */
function job(mode: DedupeMode, n: number, due: string): NewJob {
  const base = { payload: { n }, due: mode === "debounce" ? due : "", keyTtlMs: HOUR_MS };
  if (mode === "throttle") return { ...base, key: "a:task k", options: { hold: 1 } };
  const key = mode === "unfinished" || mode === "waiting" ? "!a:task k" : "!a:task@q k";
  return { ...base, key, dedupe: { mode, keepCancelledMs: HOUR_MS } };
}

const cells = DEDUPE_MODES.flatMap((mode) =>
  Object.entries(TABLE[mode]).map(([state, answer]) => [mode, state as keyof typeof STATES, answer] as const),
);

describe.each([
  ["one enqueue", false],
  ["one among others", true],
])("%s", (_how, isAmongOthers) => {
  test.each(cells)("%s, the job of the key %s: %s", async (mode, state, answer) => {
    const bench = setup();
    const others = (name: string): Record<string, NewJob> =>
      isAmongOthers
        ? { [`${name}-plain`]: { queue: "x" }, [`${name}-due`]: { queue: "x", due: "+9000" } }
        : {};
    await bench.put({
      ...others("a"),
      old: job(mode, 1, state === "waits" ? `+${HOUR_MS}` : "+0"),
      ...others("b"),
    });
    await STATES[state](bench);
    const reply = await bench.put({ ...others("c"), new: job(mode, 2, `+${HOUR_MS}`), ...others("d") });
    const shard = await bench.shard();
    const isStored = answer.startsWith("stored");
    expect(reply.known.map(({ item, existing, replaced }) => [item.id, existing, replaced])).toEqual(
      isStored ? [] : [["new", "old", answer === "replaced"]],
    );
    expect(shard.jobs["new"] !== undefined).toBe(isStored);
    expect(Object.values(shard.keys)).toEqual([isStored ? "new" : "old"]);
    expect((shard.jobs["old"] ?? "").includes('{"n":2}')).toBe(answer === "replaced");
    const isCancelled = parseRun(shard.runs["old"] ?? null).state === "cancelled";
    expect(isCancelled).toBe(state === "cancelled" || answer.endsWith("cancelled"));
    expect(Object.keys(shard.jobs).filter((id) => /^[a-d]-/.test(id))).toHaveLength(isAmongOthers ? 8 : 0);
  });
});

test("the table of the documentation has these modes and no others", () => {
  const page = readFileSync(new URL("../../docs/definition-files.md", import.meta.url), "utf8");
  const [, table = ""] = page.split(/^## Dedupe$/m);
  const rows = [...table.split(/^## /m)[0]!.matchAll(/^\| `(\w+)` /gm)].map(([, word]) => word);
  expect(rows).toEqual(["mode", ...DEDUPE_MODES]);
});
