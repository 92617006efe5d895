// A worker process for workflows: it writes each start of a handler into a file outside of Redis.
import { appendFileSync } from "node:fs";
import { PermanentError, runWorker, type Job } from "taskweft/generated-v1";
import { ADD, QUEUES, UNDO } from "./workflow-tasks.js";

const file = process.env["EFFECTS"] ?? "";
const noting =
  (work: (n: number) => unknown) =>
  async ({ id, payload }: Job<{ n: number }>): Promise<unknown> => {
    appendFileSync(file, `${id}\n`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return work(payload.n);
  };

await runWorker({
  contracts: [ADD, UNDO] as never,
  queues: QUEUES,
  handlers: {
    [ADD.name]: async () => ({
      name: ADD.name,
      handler: noting((n) => {
        if (n < 0) throw new PermanentError(`no ${n}`);
        return n;
      }),
    }),
    [UNDO.name]: async () => ({ name: UNDO.name, handler: noting(() => undefined) }),
  } as never,
});
