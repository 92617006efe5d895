// What a handler may and may not write. Compiled beside the generated code of the golden case `several-files`.
import {
  defineHandler,
  enqueueGigEscrowRelease,
  InsufficientFunds,
  PermanentError,
} from "./generated/index.js";

export const right = defineHandler("gig:escrow_release", async (job, ctx) => {
  const note: string | undefined = job.payload.note;
  if (job.payload.amount.amount > 10) throw new InsufficientFunds("x");
  if (ctx.signal.aborted) throw new PermanentError("y");
  return { releaseId: `${job.payload.contractId}${note ?? ""}` };
});

export const withoutResult = defineHandler("invoice:generate", () => undefined);

// @ts-expect-error no such task
export const unknownTask = defineHandler("gig:escrow_releas", async () => ({ releaseId: "x" }));

// @ts-expect-error the result is missing
export const noResult = defineHandler("gig:escrow_release", async () => undefined);

// @ts-expect-error the result has the wrong type
export const wrongResult = defineHandler("gig:escrow_release", async () => ({ releaseId: 1 }));

export const wrongField = defineHandler("gig:escrow_release", async (job) => {
  // @ts-expect-error no such field
  return { releaseId: job.payload.contractID };
});

export const optionalField = defineHandler("gig:escrow_release", async (job) => {
  // @ts-expect-error the note may be absent
  const note: string = job.payload.note;
  return { releaseId: note };
});

export const steps = defineHandler("gig:escrow_release", async (_job, ctx) => {
  const later: { id: string } = await ctx.step("later", async () => ({ id: "x" }));
  const now: number = await ctx.step("now", () => 1);
  const nothing: void = await ctx.step("nothing", async () => {});
  const either: string | undefined = await ctx.step("either", () => (now > 0 ? later.id : undefined));
  ctx.progress(50);
  ctx.progress({ rows: 3, phase: "load" });
  return { releaseId: `${either ?? ""}${String(nothing)}` };
});

export const wrongStepResult = defineHandler("gig:escrow_release", async (_job, ctx) => {
  // @ts-expect-error the step gives a number
  const id: string = await ctx.step("number", async () => 1);
  return { releaseId: id };
});

export const stepNotAwaited = defineHandler("gig:escrow_release", async (_job, ctx) => {
  // @ts-expect-error a promise has no such field
  return { releaseId: ctx.step("charge", async () => ({ id: "x" })).id };
});

export const stepWithoutName = defineHandler("invoice:generate", async (_job, ctx) => {
  // @ts-expect-error the name is missing
  await ctx.step(async () => 1);
});

export const wrongProgress = defineHandler("invoice:generate", (_job, ctx) => {
  // @ts-expect-error neither a number nor an object
  ctx.progress("half");
});

const release = {
  contractId: "123e4567-e89b-12d3-a456-426614174000",
  amount: { amount: 1, currency: "EUR" },
} as const;

export const children = defineHandler("invoice:generate", async (_job, ctx) => {
  const id: string = await ctx.spawn("release", enqueueGigEscrowRelease, release);
  await ctx.spawn(`after-${id}`, enqueueGigEscrowRelease, release, { delay: "2s", queue: "critical" });
});

export const wrongChildren = defineHandler("invoice:generate", async (_job, ctx) => {
  // @ts-expect-error the amount is missing
  await ctx.spawn("a", enqueueGigEscrowRelease, { contractId: release.contractId });
  // @ts-expect-error no such queue
  await ctx.spawn("b", enqueueGigEscrowRelease, release, { queue: "critcal" });
  // @ts-expect-error the id is made from the parent's
  await ctx.spawn("c", enqueueGigEscrowRelease, release, { id: "mine" });
  // @ts-expect-error the name is missing
  await ctx.spawn(enqueueGigEscrowRelease, release);
});
