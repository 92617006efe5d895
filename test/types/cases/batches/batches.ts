// What a batch handler may and may not write. Compiled beside the generated code of the golden case `batches`.
import { defineBatchHandler, defineHandler } from "./generated/index.js";

export const right = defineBatchHandler("geo:resolve", async (jobs, ctx) => {
  const first: string | undefined = jobs[0]?.payload.address;
  ctx.log.info("resolve", { first });
  return jobs.map((job) =>
    job.payload.address === "" ? ctx.fail(job, new Error("no address")) : { latitude: 1, longitude: 2 },
  );
});

export const withoutResult = defineBatchHandler("audit:write", async (jobs, ctx) => {
  for (const job of jobs) if (job.payload.event === "") ctx.fail(job, new Error("no event"));
});

export const single = defineHandler("geo:show", (job) => void job.payload.address);

// @ts-expect-error the task declares batch
export const oneJob = defineHandler("audit:write", async () => undefined);

// @ts-expect-error the task declares no batch
export const manyJobs = defineBatchHandler("geo:show", async () => undefined);

// @ts-expect-error the results are missing
export const noResults = defineBatchHandler("geo:resolve", async () => undefined);

// @ts-expect-error one result is no list
export const oneResult = defineBatchHandler("geo:resolve", async () => ({ latitude: 1, longitude: 2 }));

// @ts-expect-error a result has the wrong type
export const wrongResult = defineBatchHandler("geo:resolve", (jobs) => jobs.map(() => ({ latitude: "1" })));

export const noSteps = defineBatchHandler("audit:write", async (_jobs, ctx) => {
  // @ts-expect-error a batch has no steps
  await ctx.step("a", () => 1);
});
