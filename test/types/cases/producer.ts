// What a producer may and may not write. Compiled beside the generated code of the golden case `several-files`.
import {
  connect,
  enqueue,
  enqueueGigEscrowRelease,
  enqueueInvoiceGenerate,
  GatewayBusy,
  InsufficientFunds,
} from "./generated/index.js";

const amount = { amount: 1, currency: "EUR" } as const;
const contractId = "123e4567-e89b-12d3-a456-426614174000";

export async function right(): Promise<string> {
  await connect({ url: "redis://127.0.0.1:6379" });
  const job = await enqueueGigEscrowRelease({ contractId, amount }, { delay: "2s", queue: "critical" });
  await enqueueGigEscrowRelease.many([{ contractId, amount, note: "x" }]);
  const other = await enqueue("gig:escrow_release", { contractId, amount }, { maxRetries: 1 });
  const fromName: string = (await other.result()).releaseId;
  const { releaseId } = await job.result({ timeout: "30s" });
  const stopped: "cancelled" | "requested" = await job.cancel();
  return fromName + releaseId + stopped;
}

export async function wrong(): Promise<void> {
  // @ts-expect-error a field is missing
  await enqueueGigEscrowRelease({ contractId });
  // @ts-expect-error a field of the wrong type
  await enqueueGigEscrowRelease({ contractId: 1, amount });
  // @ts-expect-error a misspelt field
  await enqueueGigEscrowRelease({ contractId, amount, nota: "x" });
  // @ts-expect-error a value outside of an enum
  await enqueueGigEscrowRelease({ contractId, amount: { amount: 1, currency: "USD" } });
  // @ts-expect-error no such queue
  await enqueueInvoiceGenerate({ total: amount, reference: "x" }, { queue: "criticl" });
  // @ts-expect-error a duration without a unit
  await enqueueInvoiceGenerate({ total: amount, reference: "x" }, { delay: "2 seconds" });
  // @ts-expect-error no such task
  await enqueue("gig:escrow_releas", { contractId, amount });
  // @ts-expect-error the payload of another task
  await enqueue("invoice:generate", { contractId, amount });
  // @ts-expect-error the result has no such field
  void (await (await enqueue("gig:escrow_release", { contractId, amount })).result()).receiptId;
}

export const errors: Error[] = [new GatewayBusy("x"), new InsufficientFunds("y")];
