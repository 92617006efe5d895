/** The job that every library carries: 200 bytes of JSON, shaped like an order. */

export interface BenchPayload {
  readonly amount: number;
  readonly currency: "EUR" | "NGN";
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
  readonly note: string;
  readonly orderId: string;
  /** Number of the job within its sample; proves that each one ran exactly once. */
  readonly seq: number;
}

export const PAYLOAD_BYTES = 200;

/** Job number `seq`, exactly `PAYLOAD_BYTES` long as JSON. */
export function makePayload(seq: number): BenchPayload {
  const payload = {
    amount: 1 + (seq % 90_000),
    currency: seq % 2 === 0 ? ("EUR" as const) : ("NGN" as const),
    items: [{ sku: `sku-${seq % 1000}`, quantity: 1 + (seq % 9) }],
    note: "",
    orderId: `3f2b8c1e-7d4a-4e9b-8a55-${seq.toString(16).padStart(12, "0")}`,
    seq,
  };
  payload.note = "n".repeat(PAYLOAD_BYTES - JSON.stringify(payload).length);
  return payload;
}

/** Jobs `from` to `from + count - 1`. */
export function makePayloads(from: number, count: number): BenchPayload[] {
  return Array.from({ length: count }, (_, index) => makePayload(from + index));
}
