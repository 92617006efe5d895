/**
 * The shop's front: a process of its own that places orders through the generated functions, as an application would.
 *   node --import tsx tools/demo/producer.ts <orders> <orders a second>
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  connect,
  enqueueAnalyticsTrack,
  enqueueEmailConfirmation,
  enqueueInventoryUpdate,
  enqueueInvoiceGenerate,
  enqueuePaymentProcess,
  enqueueWarehouseNotify,
} from "../../generated/index.js";
import { appendEntry } from "../../tasks/shop/ledger.js";

const [orders = 1, rate = 1] = process.argv.slice(2).map(Number);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());

const client = await connect({ url: process.env["TASKWEFT_REDIS_URL"] ?? "redis://127.0.0.1:6379" });
try {
  await placeOrders(orders, rate, stop.signal);
} finally {
  await client.close();
}

async function placeOrders(count: number, ordersPerSecond: number, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  for (let number = 1; number <= count && !signal.aborted; number++) {
    await placeOrder(number);
    const dueAt = startedAt + (number * 1000) / ordersPerSecond;
    await waitUntil(dueAt, signal);
  }
}

async function waitUntil(at: number, signal: AbortSignal): Promise<void> {
  const waitMs = at - performance.now();
  if (waitMs <= 0 || signal.aborted) return;
  await pause(waitMs, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Six jobs; the calls are made in one tick, so they travel to Redis in one round trip. */
async function placeOrder(orderNumber: number): Promise<void> {
  const order = { orderId: randomUUID(), orderNumber };
  const total = { amount: 1000 + ((orderNumber * 733) % 90_000), currency: "EUR" as const };
  const lines = [{ sku: `sku-${orderNumber % 40}`, quantity: 1 + (orderNumber % 3) }];
  // Every tenth order is express: its mail goes out ahead of the others.
  const mailQueue = orderNumber % 10 === 0 ? { queue: "high" as const } : {};
  const charge = { ...order, total, cardToken: `tok_${orderNumber}` };

  const [payment, inventory, email, invoice, analytics, warehouse] = await Promise.all([
    enqueuePaymentProcess(charge),
    enqueueInventoryUpdate({ ...order, lines }),
    enqueueEmailConfirmation({ ...order, to: `customer${orderNumber}@example.com` }, mailQueue),
    enqueueInvoiceGenerate({ ...order, total }, { delay: "2s" }),
    enqueueAnalyticsTrack({ ...order, event: "order_placed", placedAt: new Date().toISOString() }),
    enqueueWarehouseNotify({ ...order, lines }),
  ]);
  // Every eighth customer clicks "buy" twice: the idempotency key gives the payment that is already there.
  const again = orderNumber % 8 === 0 ? await enqueuePaymentProcess(charge) : undefined;
  if (again && again.id !== payment.id) throw new Error(`Order ${orderNumber} would be charged twice.`);

  appendEntry({
    what: "placed",
    at: Date.now(),
    ...order,
    deduplicated: again?.deduplicated ?? false,
    jobs: {
      "analytics:track": analytics.id,
      "email:confirmation": email.id,
      "inventory:update": inventory.id,
      "invoice:generate": invoice.id,
      "payment:process": payment.id,
      "warehouse:notify": warehouse.id,
    },
  });
}
