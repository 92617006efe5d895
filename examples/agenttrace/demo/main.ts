/** `npm start`: three replicas, one of which is stopped in the middle, and the account. */
import { numberArguments, type ExampleRun } from "../../support/place.js";
import { runReplicas, type ReplicaAccount } from "./replicas.js";

/** Gives the exit code: 1 if a job was lost, or the stop has cost one an attempt. */
export async function runExample({ args, ...place }: ExampleRun): Promise<number> {
  const plan = { ...numberArguments(args, { traces: 300 }), replicas: 3 };
  process.stdout.write(
    `${plan.traces} traces come in; ${plan.replicas} replicas with ten slots each, of which one is stopped in the middle.\n`,
  );
  const account = await runReplicas(place, plan);
  process.stdout.write(`${accountText(account)}\n`);
  return isRight(account) ? 0 : 1;
}

export function isRight(account: ReplicaAccount): boolean {
  const dead = Object.values(account.dead).reduce((sum, count) => sum + count, 0);
  return (
    account.lost === 0 &&
    account.overcharged === 0 &&
    account.completed + dead === account.expected &&
    account.exits.every((code) => code === 0)
  );
}

function accountText(account: ReplicaAccount): string {
  const { answerMs, completed, dead, exits, expected, handedBack, lost, overcharged } = account;
  return [
    "",
    `API        ${account.traces} traces answered in ${answerMs.median.toFixed(1)} ms (median), ${answerMs.longest.toFixed(1)} ms at most; ${lost} enqueues lost`,
    `Jobs       ${expected}: ${completed} completed, ${account.retried} retries`,
    ...Object.entries(dead).map(([reason, count]) => `Dead       ${count} ${reason}`),
    `Stopped    one replica with ${handedBack} jobs in its hands, which the others finished; exit codes ${exits.join(", ")}`,
    `Attempts   ${overcharged} jobs were charged for the stop`,
    `Verdict    ${isRight(account) ? "no job lost, no attempt spent" : "NOT RIGHT"}`,
  ].join("\n");
}
