/** `drain --wait`: waits until no job of the drained queues or tasks is waiting or running. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseDuration, timerMs } from "../runtime/definition/index.js";
import type { Inspector } from "../runtime/inspect/index.js";
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import type { Session } from "./session.js";

export interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** @throws CliError for a timeout of a wait that nobody asked for. */
export function assertWaits({ wait, timeout }: WaitOptions): void {
  if (timeout === undefined || wait === true) return;
  throw new CliError("OptionsConflict", "--timeout says how long --wait waits: add --wait, or leave it out", {
    exitCode: EXIT.usage,
  });
}

const POLL_MS = 250;
/** Reading a long list is expensive, so at most a tenth of the waiting time is spent on it. */
const LOOK_SHARE = 0.1;
/** However short the timeout is, it must not be said that there are jobs before anybody has looked. */
const FIRST_LOOK_MS = 1000;

/**
 * Polls each name until all of them are empty.
 * @throws CliError `TimedOut` (exit 7) if they are not empty after the timeout; without one it waits for ever.
 *   `Interrupted` (exit 7) after Ctrl-C.
 */
export async function waitUntilDrained(
  names: readonly string[],
  isEmpty: (name: string) => Promise<boolean>,
  { timeout }: WaitOptions,
  session: Session,
): Promise<void> {
  const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : parseDuration(timeout)!;
  const startedAt = performance.now();
  let left = names;
  let isSeen = false;
  const interrupted = session.io.interrupted();
  for (;;) {
    const lookedAt = performance.now();
    const lookMs = Math.max(startedAt + timeoutMs - lookedAt, isSeen ? 0 : FIRST_LOOK_MS);
    const empty = await inTime(areEmpty(names, isEmpty), lookMs, interrupted);
    isSeen ||= empty !== undefined;
    if (empty !== undefined) left = names.filter((_name, index) => empty[index] !== true);
    if (left.length === 0) return;
    if (interrupted.aborted) throw interruption(left);
    const now = performance.now();
    const leftMs = startedAt + timeoutMs - now;
    if (leftMs <= 0) throw timedOut(left, timeout!, isSeen);
    if (session.io.stderr.isTTY === true && lookedAt - startedAt < POLL_MS)
      session.note(`waiting for ${left.join(", ")} to be empty; Ctrl-C ends the wait, not the drain`);
    await pause(Math.min(leftMs, Math.max(POLL_MS, (now - lookedAt) / LOOK_SHARE)), interrupted);
  }
}

/**
 * What a drain cannot wait for: a step that has not begun, or a compensation, has no job yet. Who removes the
 * task or the queue next has to know.
 */
export async function noteOfRuns(inspector: Pick<Inspector, "listRuns">): Promise<readonly string[]> {
  const [first] = (await inspector.listRuns({ limit: 1 })).runs;
  if (first === undefined || first.endedAt !== undefined) return [];
  return [
    "workflow runs go on: their later steps and their compensations may still make jobs there. Look at them with: weft runs list",
  ];
}

/**
 * All are looked at each time, and once more where all are empty: the end of a job in one of them may have
 * made a job (`onExhausted`, the next step of a run) in one that was empty before.
 */
async function areEmpty(
  names: readonly string[],
  isEmpty: (name: string) => Promise<boolean>,
): Promise<readonly boolean[]> {
  const empty = await Promise.all(names.map(isEmpty));
  return names.length === 1 || empty.includes(false) ? empty : await Promise.all(names.map(isEmpty));
}

/** Until the time is over, or a signal aborts. */
function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return sleep(ms, undefined, { signal: AbortSignal.any([...signals]) }).catch(() => undefined);
}

/** A look may take longer than there is time: what it finds is not waited for then. */
async function inTime(
  look: Promise<readonly boolean[]>,
  leftMs: number,
  interrupted: AbortSignal,
): Promise<readonly boolean[] | undefined> {
  const done = new AbortController();
  const late = pause(timerMs(leftMs), done.signal, interrupted).then(() => undefined);
  try {
    return await Promise.race([look, late]);
  } finally {
    done.abort();
  }
}

function timedOut(names: readonly string[], timeout: string, isSeen: boolean): CliError {
  const list = names.join(", ");
  const what = isSeen
    ? `there were still jobs of ${list} that wait or run`
    : `it was not yet known whether jobs of ${list} wait or run`;
  return new CliError("TimedOut", `after ${timeout} ${what}; the drain goes on`, {
    exitCode: EXIT.jobFailed,
    fix: "wait longer, or look what is left: weft jobs list",
  });
}

function interruption(names: readonly string[]): CliError {
  const message = `the wait for ${names.join(", ")} to be empty was interrupted; the drain goes on`;
  return new CliError("Interrupted", message, {
    exitCode: EXIT.jobFailed,
    fix: "weft queues accept, or weft tasks accept, takes it back",
  });
}
