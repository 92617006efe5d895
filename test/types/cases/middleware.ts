// What a layer of middleware may and may not write. Compiled beside the generated code of the golden case `several-files`.
import type { Registry } from "taskweft/generated-v1";
import { defineMiddleware } from "./generated/index.js";
import { registry } from "./generated/registry.js";

const middleware = defineMiddleware(
  async (job, ctx, next) => {
    ctx.log.info("begins", { queue: job.queue });
    if (job.task === "gig:escrow_release") {
      const contract: string = job.payload.contractId;
      // @ts-expect-error no such field
      ctx.log.info(contract, { id: job.payload.contractID });
    }
    const result: unknown = await next();
    return result;
  },
  (_job, _ctx, next) => next(),
);

export const wired: Registry = { ...registry, middleware: async () => middleware };

// @ts-expect-error no such task
export const unknownTask = defineMiddleware((job, _ctx, next) => (job.task === "gig:escrow" ? 1 : next()));

// @ts-expect-error not a function
export const notAFunction = defineMiddleware("log");

// @ts-expect-error made without defineMiddleware
export const plain: Registry = { ...registry, middleware: async () => () => undefined };
