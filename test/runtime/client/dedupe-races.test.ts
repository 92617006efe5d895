// Dedupe keys under many producers at once: exactly one of them makes the job, whatever call its enqueue travels in, and beside workers.
import { describe, expect, test } from "vitest";
import { createEnqueueFunction, type TaskContract } from "taskweft/generated-v1";
import { type DedupeRule, latestWins } from "../../../runtime/definition/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();

interface Change {
  user: string;
  text: string;
}
const RULES: readonly DedupeRule[] = [
  { mode: "unfinished" },
  { mode: "waiting" },
  { mode: "throttle", perMs: 60_000 },
  { mode: "replace" },
  { mode: "debounce", waitMs: 20, maxWaitMs: 60_000 },
];
const task = (dedupe: DedupeRule, parts: object = {}): TaskContract<Change, string> =>
  defineTask<Change, string>(`user:${dedupe.mode}`, { dedupe, dedupeKey: ({ user }) => user, ...parts });
const setup = (contract: TaskContract<Change, string>) => setupProject({ redis, tasks: [contract] as never });

const PRODUCERS = 20;
const USERS = ["a", "b", "c", "d", "e"];

describe.each(RULES.map((rule) => [rule.mode, rule] as const))("%s", (mode, rule) => {
  // Nothing is due in the course of this test.
  const slow = task(mode === "debounce" ? { ...rule, waitMs: 30_000 } : rule);
  const again = latestWins(mode) ? "replaced" : "existing";
  const plain = defineTask("plain:work");

  test.each([
    ["enqueues one by one", 1],
    ["sends many in a call", 30],
  ])("each of 20 producers %s: one job a key", async (_how, size) => {
    const project = setup(slow);
    const enqueue = project.function(slow);
    const enqueuePlain = createEnqueueFunction(plain, project.queues);
    const clients = Array.from({ length: PRODUCERS }, () => project.newClient());
    await Promise.all(clients.map((client) => client.ready()));
    const handles = await Promise.all(
      clients.map(async (client, producer) => {
        const changes = Array.from({ length: 30 }, (_unused, n) => ({
          user: USERS[(producer + n) % USERS.length]!,
          text: `${producer} ${n}`,
        }));
        const beside = enqueuePlain({ n: producer }, { client });
        const made = [];
        for (let n = 0; n < changes.length; n += size) {
          const part = changes.slice(n, n + size);
          made.push(
            ...(size === 1 ? [await enqueue(part[0]!, { client })] : await enqueue.many(part, { client })),
          );
        }
        await beside;
        return made.map((handle, n) => ({ ...changes[n]!, id: handle.id, outcome: handle.outcome }));
      }),
    );
    for (const user of USERS) {
      const ofUser = handles.flat().filter((handle) => handle.user === user);
      expect(new Set(ofUser.map(({ id }) => id)).size).toBe(1);
      expect(ofUser.filter(({ outcome }) => outcome === "stored")).toHaveLength(1);
      expect(ofUser.filter(({ outcome }) => outcome === again)).toHaveLength(ofUser.length - 1);
    }
    expect(await project.raw.hlen(project.keys.jobs)).toBe(USERS.length + PRODUCERS);
  });
});

/** Producers enqueue one after the other for a user each, while two workers run, and some first attempts fail. */
async function race(
  rule: DedupeRule,
): Promise<{ started: Map<string, string[]>; atOnce: Map<string, number> }> {
  const contract = task(rule, {
    retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
  });
  const project = setup(contract);
  const started = new Map<string, string[]>(USERS.map((user) => [user, []]));
  const running = new Map<string, number>(USERS.map((user) => [user, 0]));
  const atOnce = new Map<string, number>();
  const handler = async ({
    payload: { user, text },
    id,
  }: {
    payload: Change;
    id: string;
  }): Promise<string> => {
    const isFirst = !started.get(user)!.includes(`${id} ${text}`);
    started.get(user)!.push(`${id} ${text}`);
    running.set(user, running.get(user)! + 1);
    atOnce.set(user, Math.max(atOnce.get(user) ?? 0, running.get(user)!));
    // A round trip, so that others come between.
    await project.raw.ping();
    running.set(user, running.get(user)! - 1);
    if (isFirst && Number(text) % 7 === 0) throw new Error("the first attempt fails");
    return "";
  };
  await project.worker({ [contract.name]: handler } as never, { concurrency: 4 });
  await project.worker({ [contract.name]: handler } as never, { concurrency: 4 });
  await Promise.all(
    USERS.map(async (user) => {
      const client = project.newClient();
      for (let n = 0; n < LAST; n += 1) await project.enqueue(contract, { user, text: `${n}` }, { client });
      const last = await project.enqueue(contract, { user, text: `${LAST}` }, { client });
      // Of a job that is given back the end may have been before.
      await last.result().catch(() => undefined);
    }),
  );
  const { pending, due } = project.keys.queue("default");
  await until(
    "all jobs to rest",
    async () =>
      (await project.raw.llen(pending)) + (await project.raw.zcard(due)) === 0 &&
      (await project.raw.hkeys(project.keys.active)).every((id) => id === "#"),
  );
  return { started, atOnce };
}

const LAST = 100;

describe("beside workers that run, fail and try again", () => {
  test("unfinished never has two jobs of a key under way", async () => {
    const { atOnce } = await race({ mode: "unfinished" });
    expect(Object.fromEntries(atOnce)).toEqual(Object.fromEntries(USERS.map((user) => [user, 1])));
  });

  test("throttle makes one job a key", async () => {
    const { started } = await race({ mode: "throttle", perMs: 60_000 });
    for (const [user, ids] of started) expect(new Set(ids).size, `jobs of ${user}`).toBe(1);
  });

  test.each([{ mode: "replace" }, { mode: "debounce", waitMs: 2, maxWaitMs: 1000 }] as const)(
    "with $mode what was enqueued last is what is claimed last",
    async (rule) => {
      const { started } = await race(rule);
      for (const [user, starts] of started) {
        const last = starts.findIndex((start) => start.endsWith(` ${LAST}`));
        expect(last, `start of the last of ${user}`).toBeGreaterThanOrEqual(0);
        // One that another worker had claimed before may start a moment later; no attempt of an older one is made again.
        const later = starts.slice(last + 1).filter((start) => !start.endsWith(` ${LAST}`));
        expect(later.length, `starts after the last of ${user}: ${later.join(", ")}`).toBeLessThanOrEqual(1);
        for (const start of later) expect(starts.slice(0, last)).not.toContain(start);
      }
    },
  );

  test("with waiting a job starts after the last enqueue", async () => {
    const contract = task({ mode: "waiting" });
    const project = setup(contract);
    let value = 0;
    const seen: number[] = [];
    const handler = (): string => String(seen.push(value));
    await project.worker({ [contract.name]: handler } as never, { concurrency: 4 });
    while (value < LAST) {
      value += 1;
      await project.enqueue(contract, { user: "a", text: "" });
    }
    await until("a job to see the last value", () => seen.at(-1) === LAST);
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
  });
});
