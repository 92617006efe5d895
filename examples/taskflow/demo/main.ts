/** `npm start`: messages at full speed, with depth, rate and memory as they flow, and the account. */
import { numberArguments, type ExampleRun } from "../../support/place.js";
import { runFlow, type FlowAccount, type FlowPlan } from "./flow.js";

/** Gives the exit code: 1 if a message was lost, or handled twice without a lost worker. */
export async function runExample({ args, ...place }: ExampleRun): Promise<number> {
  const plan: FlowPlan = {
    ...numberArguments(args, { messages: 20_000 }),
    workers: 3,
    onLook: ({ pending, active, memoryBytes, handled, elapsedMs }) => {
      const rate = Math.round((handled * 1000) / elapsedMs);
      process.stdout.write(
        `depth ${pending}  active ${active}  handled ${handled}  ${rate} a second  memory ${megabytes(memoryBytes)}\n`,
      );
    },
  };
  process.stdout.write(
    `${plan.messages} messages through one queue, three workers, one of which is killed.\n`,
  );
  const account = await runFlow(place, plan);
  process.stdout.write(`${accountText(account)}\n`);
  return isRight(account) ? 0 : 1;
}

export function isRight(account: FlowAccount): boolean {
  const { handled, messages, repeated, explained, left, dead } = account;
  return handled === messages && repeated === explained && left === 0 && dead === 0;
}

function accountText(account: FlowAccount): string {
  const { memoryBytes, pickupMs } = account;
  return [
    "",
    `Pickup     ${pickupMs.median} ms from enqueue to handler in an idle worker (median), ${pickupMs.longest} ms at most`,
    `Flow       ${account.perMinute} messages a minute`,
    `Depth      ${account.deepest} at most; ${account.refused} enqueues were refused with QueueFull and made again`,
    `Memory     ${megabytes(memoryBytes.before)} before, ${megabytes(memoryBytes.most)} at most`,
    `Killed     one worker with ${account.taken} jobs in its hands; ${account.repeated} messages were handled twice`,
    `Messages   ${account.handled} of ${account.messages} handled, ${account.left} left, ${account.dead} dead: ${isRight(account) ? "none lost" : "NOT RIGHT"}`,
  ].join("\n");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
