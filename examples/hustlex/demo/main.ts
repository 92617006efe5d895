/** `npm start`: the escrow run, and its account. */
import { numberArguments, type ExampleRun } from "../../support/place.js";
import { releaseEscrows, type EscrowAccount, type EscrowPlan } from "./escrow.js";

/** Gives the exit code: 1 unless each contract was released once. */
export async function runExample({ args, ...place }: ExampleRun): Promise<number> {
  const plan: EscrowPlan = {
    ...numberArguments(args, { contracts: 1000, kills: 6 }),
    failShare: 0.2,
    producers: 5,
    random: Math.random,
    workers: 3,
  };
  process.stdout.write(
    `${plan.producers} producers ask for ${plan.contracts} releases each; ${plan.workers} workers, of which ${plan.kills} are killed; the bank fails one call in five.\n`,
  );
  const startedAt = performance.now();
  const account = await releaseEscrows(place, plan);
  process.stdout.write(`${accountText(account, performance.now() - startedAt)}\n`);
  return isRight(account) ? 0 : 1;
}

/** Each contract released, and none twice. */
export function isRight(account: EscrowAccount): boolean {
  return (
    account.transfers === account.contracts &&
    account.completed === account.contracts &&
    account.created === account.contracts &&
    account.split === 0 &&
    account.workerExits.every((code) => code === 0)
  );
}

function accountText(account: EscrowAccount, elapsedMs: number): string {
  const verdict = isRight(account) ? "every contract released once" : "NOT RIGHT";
  return [
    "",
    `Enqueues   ${account.enqueues}, which made ${account.created} jobs`,
    `Workers    ${account.kills} killed; ${account.crashes} attempts were lost with them`,
    `Bank       ${account.calls} calls: ${account.failed} failed, ${account.repeated} repeated an earlier one and had no effect`,
    `Dead       ${account.askedAgain} releases failed for good and were asked for again`,
    `Ledger     ${account.transfers} transfers for ${account.contracts} contracts: ${verdict}`,
    `Time       ${(elapsedMs / 1000).toFixed(1)} s`,
  ].join("\n");
}
