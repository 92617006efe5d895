// Ends of steps travel together, and yet no call is so large that it would hold Redis for long.
import { expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { recordMold, type StepEnd } from "../../../runtime/protocol/index.js";
import { StepEnds } from "../../../runtime/worker/runs/step-ends.js";
import type { StepContext } from "../../../runtime/worker/claims/step-context.js";
import { RecordingLogger, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal } from "../../support/signal.js";

const redis = await startRedis();

/** Characters of the arguments of each call that it made. */
class Measured extends Connection {
  readonly sizes: number[] = [];
  /** The calls wait for it. */
  open = Promise.resolve();

  override async run(...call: Parameters<Connection["run"]>): ReturnType<Connection["run"]> {
    this.sizes.push(call[2].reduce<number>((sum, arg) => sum + String(arg).length, 0));
    await this.open;
    return await super.run(...call);
  }
}

function setup() {
  const { keys } = setupProject({ redis, tasks: [] });
  const connection = new Measured({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const ends = new StepEnds({
    connection,
    keys,
    logger: new RecordingLogger(),
    worker: () => "w",
    fetcher: {
      claimBeside: (call) => call(false),
      forget: () => undefined,
      invite: () => undefined,
      round: 0,
      wake: () => undefined,
    },
    serves: () => true,
    onCarried: () => undefined,
    onFree: () => undefined,
    onOver: () => undefined,
  });
  const texts = recordMold("@workflow", "q", "12345678", { workflow: "w h" });
  const mold = { step: "", suffix: ":end", queue: "q", delayMs: 0, limit: "", ...texts };
  const what = { endsJob: true, run: "r", step: "a", state: "", finale: "" };
  const rest = { ...what, hasten: [], itemOf: undefined, begins: [] };
  const add = (id: string, characters: number, from?: StepContext): void =>
    ends.add({ ...rest, id, outcome: "c".repeat(characters), decider: mold } satisfies StepEnd, from);
  return { connection, ends, add };
}

test("large results go in several calls, small ones in one", async () => {
  const { connection, ends, add } = setup();
  for (const id of ["1", "2", "3"]) add(id, 100);
  await ends.settled();
  expect(connection.sizes).toHaveLength(1);
  for (let n = 0; n < 10; n += 1) add(String(n), 40_000);
  await ends.settled();
  expect(connection.sizes).toHaveLength(6);
  // From there on a text is dear to make and to write.
  expect(Math.max(...connection.sizes)).toBeLessThan(128 * 1024);
});

test("what ends while two calls are under way goes in the next, all together", async () => {
  const { connection, ends, add } = setup();
  const answered = signal();
  connection.open = answered.promise;
  for (let n = 0; n < 20; n += 1) {
    add(String(n), 100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(connection.sizes).toHaveLength(2);
  answered.send();
  await ends.settled();
  expect(connection.sizes).toHaveLength(3);
});

test("a slot is kept for what begins, but not from other shards once Redis is silent", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const { connection, ends, add } = setup();
  const answered = signal();
  connection.open = answered.promise;
  const step = { name: "a", needs: [] };
  add("1", 100, { step, since: performance.now(), undoes: false } as unknown as StepContext);
  await new Promise((resolve) => setImmediate(resolve));
  vi.advanceTimersByTime(900);
  expect(ends.keeping).toBe(1);
  vi.advanceTimersByTime(200);
  expect(ends.keeping).toBe(0);
  answered.send();
  await ends.settled();
  expect(ends.keeping).toBe(0);
});
