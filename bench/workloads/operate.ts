/** What a person does with a million waiting jobs, and whether Redis stands still for others meanwhile. */
import type { AgentProcess } from "../agent/agent-process.js";
import type { Operations } from "../agent/messages.js";
import { PingLoop } from "../ping-loop.js";
import { type Measured, type Sample } from "../sample.js";
import { percentile, spread } from "../figures/statistics.js";
import { fill } from "./drain.js";
import type { Workload } from "./workload.js";

const JOBS = 1_000_000;
/** Each takes milliseconds; the median is shown. */
const LOOKS = 10;

async function measureOperations(sample: Sample): Promise<Measured> {
  const [producer, operator] = await Promise.all([sample.agent("producer"), sample.agent("operator")]);
  const jobs = sample.scaled(JOBS, 10_000);
  await fill(producer, 0, jobs);
  await sample.redis.resetTimes();
  const pings = PingLoop.start(sample.redis);
  const { window, value } = await sample.measure(async () => {
    const counted = await look(operator, "count");
    const listed = await look(operator, "list");
    const purged = await operator.call("operate", "purge");
    return { counted, listed, purged };
  });
  const pingsMs = await pings.stop();
  const { maxUs } = await sample.redis.commandTimes();
  const { jobs: left } = await operator.call("operate", "list");
  const wrong = value.counted.find((count) => count.jobs !== jobs);
  if (wrong !== undefined || left !== 0) {
    throw new Error(
      `expected ${jobs} jobs to be counted and none listed after the purge, got ${wrong?.jobs ?? jobs} and ${left}`,
    );
  }
  return {
    window,
    jobs,
    metrics: {
      countMs: median(value.counted),
      listMs: median(value.listed),
      purgeMs: value.purged.tookMs,
      pingP99Ms: percentile(pingsMs, 0.99),
      pingMaxMs: percentile(pingsMs, 1),
      commandMaxUs: maxUs,
    },
  };
}

type Look = Operations["operate"]["reply"];

async function look(operator: AgentProcess, what: "count" | "list"): Promise<readonly Look[]> {
  const looks: Look[] = [];
  while (looks.length < LOOKS) looks.push(await operator.call("operate", what));
  return looks;
}

function median(times: readonly Look[]): number {
  return spread(times.map(({ tookMs }) => tookMs))?.median ?? Number.NaN;
}

export const operateWorkloads: readonly Workload[] = [
  {
    name: "operate",
    meaning:
      "1,000,000 waiting jobs are counted, listed (a page of 1,000) and purged, beside a connection that sends a PING every millisecond",
    measure: measureOperations,
  },
];
