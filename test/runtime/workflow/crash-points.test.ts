// A worker dies at each of its calls to Redis in turn (before it goes out, before its answer is heard), is told to stop, or stands still
// until others have done its work, while it plays random workflows: every run ends as the model says, what had ended before does not run
// again, and one that wakes too late changes nothing.
import { expect, test } from "vitest";
import { randomWorkflow, type RandomWorkflow } from "../../support/random-workflow.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom } from "../../support/signal.js";
import { MortalStage, TASKS } from "./mortal-stage.js";

/** The long form: `CRASH_WORKFLOWS=60 CRASH_STRIDE=1`, 20,000 points. */
const WORKFLOWS = Number(process.env["CRASH_WORKFLOWS"] ?? 12);
/** Of the calls of each run one in so many is tried. */
const STRIDE = Number(process.env["CRASH_STRIDE"] ?? 4);
/** How often the worker that comes after a dead one dies as well. */
const SECOND_DEATHS = 0.2;
const CANCELLED = 0.2;
const TIMED_OUT = 0.2;
/** What a step may run that runs too long: the worker looks every 25 ms. */
const TIMEOUT_MS = 20;

const redis = await startRedis();

test("a worker dies, stops or stands still at each of its calls", { timeout: 3_600_000 }, async () => {
  const seed = Number(process.env["WORKFLOW_SEED"] ?? Date.now() % 2 ** 31);
  const stage = new MortalStage(redis);
  for (let i = 0; i < WORKFLOWS; i++) {
    // How many numbers are used depends on how many calls are made; the next workflow must not.
    const random = seededRandom(seed + i);
    const upTo = (most: number): number => 1 + Math.floor(random() * most);
    const any = randomWorkflow(random, `w${i}`, {
      ...TASKS,
      timeoutMs: TIMEOUT_MS,
      events: true,
      children: true,
    } as never);
    // Some runs have a timeout that may come at any point.
    const onTimeout = random() < 0.5 ? "fail" : "compensate";
    const bound = random() < TIMED_OUT ? { timeoutMs: upTo(20), onTimeout } : {};
    const one = { ...any, definition: { ...any.definition, ...bound } } as RandomWorkflow;
    const { steps } = one.definition;
    const cancelBy = random() < CANCELLED ? steps[upTo(steps.length) - 1]?.name : undefined;
    for (const death of ["unsent", "unanswered", "stopped", "frozen"] as const) {
      let nth = upTo(STRIDE);
      const second = () => (random() < SECOND_DEATHS ? [{ nth: upTo(20), death }] : []);
      while (await stage.play(one, [{ nth, death }, ...second()], cancelBy)) nth += STRIDE;
    }
    expect(stage.found, `seed ${seed}`).toEqual([]);
  }
  if (process.env["CRASH_STRIDE"] !== undefined) console.info(`${stage.points} crash points, seed ${seed}`);
  expect(stage.points).toBeGreaterThan(WORKFLOWS);
});
