// The shop's checkout as it is generated: a run that completes, and runs whose steps fail and are undone.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { createConsoleLogger, createWorker } from "taskweft";
import { connect, type OrderCheckoutInput, startOrderCheckout } from "../../generated/index.js";
import { registry } from "../../generated/registry.js";
import type { LedgerEntry } from "../../tasks/shop/ledger.js";
import { startRedis } from "../support/redis.js";

const redis = await startRedis();
let ledger: string;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-checkout-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  ledger = join(folder, "ledger.jsonl");
  vi.stubEnv("TASKWEFT_DEMO_LEDGER", ledger);
  const prefix = `checkout-${randomUUID().slice(0, 8)}`;
  const client = await connect({ url: redis.url, prefix });
  onTestFinished(() => client.close());
  // Two workers: whatever one begins, the other may end.
  for (let count = 0; count < 2; count++) {
    const worker = createWorker(registry, { url: redis.url, prefix, logger: createConsoleLogger("silent") });
    await worker.start();
    onTestFinished(() => worker.stop());
  }
});

/** What becomes of an order follows from its number; see tasks/shop/weather.ts. */
function order(orderNumber: number): OrderCheckoutInput {
  const lines = [1, 2, 3].map((quantity) => ({ sku: `sku-${quantity}`, quantity }));
  return {
    orderId: randomUUID(),
    orderNumber,
    lines,
    total: { amount: 1200, currency: "EUR" },
    cardToken: "tok_1",
    to: "ada@example.com",
  };
}

/** How often each task finished. */
function finished(): Record<string, number> {
  const entries = readFileSync(ledger, "utf8").trim().split("\n");
  const counts: Record<string, number> = {};
  for (const line of entries) {
    const entry = JSON.parse(line) as LedgerEntry;
    if (entry.what === "finished") counts[entry.task] = (counts[entry.task] ?? 0) + 1;
  }
  return counts;
}

test("an order that goes well is reserved, charged, packed and told, once each, also when it is placed twice", async () => {
  const input = order(1);
  const run = await startOrderCheckout(input);
  const again = await startOrderCheckout(input);
  expect([again.id, again.deduplicated]).toEqual([run.id, true]);
  const { receiptId, invoiceId, parcels } = await run.result();
  expect(receiptId).toMatch(/^receipt-/);
  expect(invoiceId).toBe("invoice-1");
  expect(parcels).toEqual([0, 1, 2].map((place) => ({ parcelId: `parcel-1-${place}` })));
  expect(finished()).toEqual({
    "inventory:reserve": 1,
    "payment:process": 1,
    "warehouse:pack": 3,
    "invoice:generate": 1,
    "email:confirmation": 1,
  });
});

test("a declined card: the stock is released exactly once, and the run says why it failed", async () => {
  const run = await startOrderCheckout(order(17));
  await expect(run.result()).rejects.toThrow(
    /RunFailed: .*step charge failed: CardDeclined: The bank declined order 17/,
  );
  expect(finished()).toEqual({ "inventory:reserve": 1, "inventory:release": 1 });
});

test("goods that cannot be packed: the money goes back before the stock does, each once", async () => {
  const run = await startOrderCheckout(order(19));
  await expect(run.result()).rejects.toThrow(/RunFailed/);
  expect(finished()).toMatchObject({ "payment:refund": 1, "inventory:release": 1 });
  const tasks = readFileSync(ledger, "utf8")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { task: string }).task);
  expect(tasks.indexOf("payment:refund")).toBeLessThan(tasks.indexOf("inventory:release"));
});

test("a run that failed frees its key: the customer can try again with another card", async () => {
  const input = order(17);
  await expect((await startOrderCheckout(input)).result()).rejects.toThrow(/CardDeclined/);
  const second = await startOrderCheckout({ ...input, orderNumber: 2 });
  expect(second.deduplicated).toBe(false);
  expect((await second.result()).receiptId).toMatch(/^receipt-/);
});
