// A worker process whose handler writes down each effect outside of Redis and then waits, between two steps, to be killed.
import { appendFileSync } from "node:fs";
import { runWorker, type TaskContext } from "taskweft/generated-v1";
import { QUEUES, STEPPING } from "./stepping-task.js";

const file = process.env["EFFECTS"] ?? "";
const waits = process.env["WAIT_BETWEEN_STEPS"] === "1";

await runWorker({
  contracts: [STEPPING],
  queues: QUEUES,
  handlers: {
    [STEPPING.name]: async () => ({
      name: STEPPING.name,
      handler: async (_job: unknown, ctx: TaskContext) => {
        const charged = await ctx.step("charge", () => {
          appendFileSync(file, "charge\n");
          return process.pid;
        });
        ctx.progress(50);
        if (waits) {
          process.stdout.write("between the steps\n");
          await new Promise(() => undefined);
        }
        await ctx.step("ship", () => appendFileSync(file, "ship\n"));
        return charged;
      },
    }),
  } as never,
});
