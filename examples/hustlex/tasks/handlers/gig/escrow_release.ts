import { AccountClosed, defineHandler } from "../../../generated/index.js";
import { AccountIsClosed, transfer } from "../../../src/outside.js";

/** Release the escrow of a finished gig to the worker, once a contract. */
export default defineHandler("gig:escrow_release", async (job, ctx) => {
  const { contractId, workerId, amount } = job.payload;
  // The key is the contract's, not the job's (`ctx.idempotencyKey`): when this job has died although the bank had paid,
  // a person enqueues the contract anew, and that is another job.
  const key = `escrow-release/${contractId}`;
  const order = { from: `escrow/${contractId}`, to: workerId, amount };
  try {
    // Once its answer is stored, no later attempt calls the bank again.
    return await ctx.step("transfer", () => transfer(order, key, ctx.signal));
  } catch (error) {
    if (error instanceof AccountIsClosed) throw new AccountClosed(error.message);
    throw error;
  }
});
