/**
 * The world around the shop: how long things take and what goes wrong. Everything follows from the order's number, so
 * that two runs of the demo fail in the same places.
 */
import { setTimeout as pause } from "node:timers/promises";

interface Troubled {
  readonly payload: { readonly orderNumber: number };
  readonly attempt: number;
}

/** The bank says no, and will say no again. */
export function cardIsDeclined(job: Troubled): boolean {
  return every(17, job);
}

/** The payment provider is overloaded: for most orders once, for a few as long as we try. */
export function gatewayIsBusy(job: Troubled): boolean {
  return every(53, job) || (every(7, job) && job.attempt === 1);
}

/** The goods are no longer made. */
export function isDiscontinued(job: Troubled): boolean {
  return every(29, job);
}

/** The mail server asks to come back later. */
export function mailServerIsBusy(job: Troubled): boolean {
  return every(6, job) && job.attempt === 1;
}

/** What the stock list promised is not there. */
export function shelfIsEmpty(job: Troubled): boolean {
  return every(19, job);
}

/** Another order is just taking the same goods. */
export function stockIsLocked(job: Troubled): boolean {
  return every(11, job) && job.attempt === 1;
}

/** The warehouse's line is down for two attempts. */
export function warehouseIsOffline(job: Troubled): boolean {
  return every(13, job) && job.attempt <= 2;
}

/** Takes between `leastMs` and `mostMs`; ends early with the signal's reason. */
export async function takeTime(
  job: Troubled,
  leastMs: number,
  mostMs: number,
  signal: AbortSignal,
): Promise<void> {
  const share = ((job.payload.orderNumber * 37) % 100) / 100;
  await pause(leastMs + Math.round((mostMs - leastMs) * share), undefined, { signal });
}

function every(count: number, job: Troubled): boolean {
  return job.payload.orderNumber % count === 0;
}
