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
  startOrderCheckout,
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

/** Every third order is one run of the checkout, which undoes what it did when it cannot go on; the others are six jobs each. */
async function placeOrder(orderNumber: number): Promise<void> {
  const order: Order = {
    orderId: randomUUID(),
    orderNumber,
    total: { amount: 1000 + ((orderNumber * 733) % 90_000), currency: "EUR" },
    lines: [{ sku: `sku-${orderNumber % 40}`, quantity: 1 + (orderNumber % 3) }],
    to: `customer${orderNumber}@example.com`,
    cardToken: `tok_${orderNumber}`,
  };
  await (orderNumber % 3 === 0 ? placeRun(order) : placeJobs(order));
}

interface Order {
  readonly orderId: string;
  readonly orderNumber: number;
  readonly total: { amount: number; currency: "EUR" };
  readonly lines: { sku: string; quantity: number }[];
  readonly to: string;
  readonly cardToken: string;
}

async function placeRun(order: Order): Promise<void> {
  const { orderId, orderNumber } = order;
  const { id } = await startOrderCheckout(order);
  const again = clicksTwice(orderNumber) ? await startOrderCheckout(order) : undefined;
  if (again && again.id !== id) throw new Error(`Order ${orderNumber} would be delivered twice.`);
  const deduplicated = again?.deduplicated ?? false;
  appendEntry({ what: "placed", at: Date.now(), orderId, orderNumber, deduplicated, jobs: {}, run: id });
}

/** The idempotency key gives the payment, or the run, that is already there. */
function clicksTwice(orderNumber: number): boolean {
  return orderNumber % 8 === 0;
}

/** The calls are made in one tick, so they travel to Redis in one round trip. */
async function placeJobs({ orderId, orderNumber, total, lines, to, cardToken }: Order): Promise<void> {
  const order = { orderId, orderNumber };
  // Every tenth order is express: its mail goes out ahead of the others.
  const mailQueue = orderNumber % 10 === 0 ? { queue: "high" as const } : {};
  const charge = { ...order, total, cardToken };

  const [payment, inventory, email, invoice, analytics, warehouse] = await Promise.all([
    enqueuePaymentProcess(charge),
    enqueueInventoryUpdate({ ...order, lines }),
    enqueueEmailConfirmation({ ...order, to }, mailQueue),
    enqueueInvoiceGenerate({ ...order, total }, { delay: "2s" }),
    enqueueAnalyticsTrack({ ...order, event: "order_placed", placedAt: new Date().toISOString() }),
    enqueueWarehouseNotify({ ...order, lines }),
  ]);
  const again = clicksTwice(orderNumber) ? await enqueuePaymentProcess(charge) : undefined;
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
