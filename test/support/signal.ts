// Waiting without sleeping: promises that tests settle, and a bounded look at Redis where no signal exists.

/** A promise that the test settles. */
export interface Signal<Value = void> {
  readonly promise: Promise<Value>;
  send(value: Value): void;
}

export function signal<Value = void>(): Signal<Value> {
  let send = (_value: Value): void => undefined;
  const promise = new Promise<Value>((resolve) => {
    send = resolve;
  });
  return { promise, send };
}

const LOOK_EVERY_MS = 5;
const LONGEST_LOOK_MS = 30_000;

/** Looks until the condition holds; fails with `what` after `longestMs`. Only where nothing signals the change. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  longestMs: number = LONGEST_LOOK_MS,
): Promise<void> {
  const end = performance.now() + longestMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`expected within ${longestMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Settles with the promise, or fails with `what` when it has not settled after `ms`: a hang must name itself. */
export async function within<Value>(ms: number, what: string, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`expected within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** The same numbers for the same seed (mulberry32): a failing run can be repeated. Returns [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
