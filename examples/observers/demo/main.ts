/** `npm start`: events at full speed, actions that are slow, and the account. */
import { numberArguments, type ExampleRun } from "../../support/place.js";
import { type EventAccount, type EventPlan, runEvents } from "./events.js";

/** Gives the exit code: 1 if an emit waited for a handler, or a job did not end as it must. */
export async function runExample({ args, ...place }: ExampleRun): Promise<number> {
  const { events, slow: slowMs } = numberArguments(args, { events: 200, slow: 100 });
  const plan: EventPlan = { events, slowMs };
  process.stdout.write(
    `${plan.events} orders through seven observers. Everything outside takes ${plan.slowMs} ms to answer, the CRM fails twice first, and the partner is gone.\n`,
  );
  const account = await runEvents(place, plan);
  process.stdout.write(`${accountText(account)}\n`);
  return isRight(account) ? 0 : 1;
}

export function isRight(account: EventAccount): boolean {
  const { completed, dead, doubled, jobs, metrics, most, open, refusals, toPartner, tomorrow } = account;
  return (
    open > 0 &&
    completed + dead.length + tomorrow === jobs &&
    dead.length === toPartner &&
    dead.every((attempts) => attempts === 1) &&
    doubled === 0 &&
    most <= 10 &&
    metrics.completed === completed &&
    metrics.dead === dead.length &&
    metrics.gone === dead.length &&
    metrics.retried === refusals
  );
}

function accountText(account: EventAccount): string {
  const { emitMs, metrics, most, dead } = account;
  const [median, p99, longest] = [emitMs.median, emitMs.p99, emitMs.longest].map((ms) => ms.toFixed(1));
  const verdict = isRight(account) ? "all as the rules say" : "NOT RIGHT";
  return [
    "",
    `Emit       ${median} ms (median), ${p99} ms (p99), ${longest} ms at most; ${account.open} jobs were still open after the last event`,
    `Jobs       ${account.jobs} of ${account.events} events; ${account.doubled} more when one was emitted again`,
    `Handlers   ${most} at a time at most`,
    `Retried    ${account.retried} jobs failed at first and completed`,
    `Dead       ${dead.length} to the partner that is gone, after ${Math.max(0, ...dead)} attempt each`,
    `Tomorrow   ${account.tomorrow} mail waits for its day`,
    `Metrics    ${metrics.completed} completed, ${metrics.retried} to be tried again, ${metrics.dead} dead (${metrics.gone} Refused)`,
    `Verdict    ${account.completed} completed: ${verdict}`,
  ].join("\n");
}
