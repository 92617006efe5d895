/** Live progress: a frame that redraws itself on a terminal, else one plain line a second. */
import pc from "picocolors";
import type { QueueRow } from "./shop-view.js";

export interface Progress {
  readonly ordersPlaced: number;
  /** Infinity when the demo has no end. */
  readonly ordersWanted: number;
  readonly jobsPlaced: number;
  readonly executed: number;
  /** Of runs, finished. */
  readonly steps: number;
  readonly retried: number;
  readonly deduplicated: number;
  /** Dead since the demo began. */
  readonly dead: number;
  readonly queues: readonly QueueRow[];
  readonly workers: readonly WorkerRow[];
}

export interface WorkerRow {
  readonly pid: number;
  readonly running: boolean;
  readonly finished: number;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const RATE_WINDOW_MS = 2000;
const PLAIN_EVERY_MS = 1000;

export class Display {
  readonly #output: Output;
  readonly #heading: string;
  #frameLines = 0;
  #lastPlainAt = 0;
  readonly #history: { at: number; executed: number }[] = [];

  constructor(output: Output, heading: string) {
    this.#output = output;
    this.#heading = heading;
  }

  show(progress: Progress, now: number): void {
    const rate = this.#rate(progress.executed, now);
    if (this.#output.isTTY) {
      this.#redraw(frame(this.#heading, progress, rate));
    } else if (progress.ordersPlaced > 0 && now - this.#lastPlainAt >= PLAIN_EVERY_MS) {
      this.#lastPlainAt = now;
      this.#output.write(`${plainLine(progress, rate)}\n`);
    }
  }

  /** Something worth a line of its own, above the frame. */
  note(line: string): void {
    this.clear();
    this.#output.write(`${line}\n`);
  }

  clear(): void {
    if (this.#frameLines > 0) this.#output.write(`\u001b[${this.#frameLines}A\u001b[J`);
    this.#frameLines = 0;
  }

  #redraw(lines: readonly string[]): void {
    const back = this.#frameLines > 0 ? `\u001b[${this.#frameLines}A` : "";
    this.#output.write(`${back}${lines.map((line) => `\u001b[K${line}\n`).join("")}`);
    this.#frameLines = lines.length;
  }

  #rate(executed: number, now: number): number {
    this.#history.push({ at: now, executed });
    while (now - this.#history[0]!.at > RATE_WINDOW_MS) this.#history.shift();
    const oldest = this.#history[0]!;
    return now > oldest.at ? ((executed - oldest.executed) * 1000) / (now - oldest.at) : 0;
  }
}

export function plainLine(progress: Progress, rate: number): string {
  const waiting = sum(progress.queues, (queue) => queue.pending + queue.later);
  return [
    `orders ${ordersText(progress)}`,
    `jobs ${progress.executed}/${progress.jobsPlaced}`,
    `steps ${progress.steps}`,
    `${Math.round(rate)} jobs/s`,
    `waiting ${waiting}`,
    `active ${sum(progress.queues, (queue) => queue.active)}`,
    `retries ${progress.retried}`,
    `dead ${progress.dead} (steps included)`,
  ].join("  ");
}

function frame(heading: string, progress: Progress, rate: number): string[] {
  const workers = progress.workers.map(
    (worker) => `${worker.pid}${worker.running ? "" : pc.red(" killed")} ${pc.bold(String(worker.finished))}`,
  );
  return [
    heading,
    "",
    `orders   ${bar(progress)} ${ordersText(progress)}`,
    `jobs     ${pc.bold(String(progress.executed))} of ${progress.jobsPlaced} finished, ${Math.round(rate)} a second`,
    `runs     ${progress.steps} steps of checkouts finished`,
    `retries  ${progress.retried}    dead ${progress.dead} (steps included)    double clicks ${progress.deduplicated}`,
    "",
    pc.dim(row("queue", ["weight", "pending", "later", "active"])),
    ...progress.queues.map(queueLine),
    "",
    `workers  ${workers.join("    ")}`,
  ];
}

function queueLine(queue: QueueRow): string {
  return row(
    queue.name,
    [queue.weight, queue.pending, queue.later, queue.active].map((count) => String(count)),
  );
}

function row(name: string, cells: readonly string[]): string {
  return `${name.padEnd(10)}${cells.map((cell) => cell.padStart(10)).join("")}`;
}

function ordersText(progress: Progress): string {
  return Number.isFinite(progress.ordersWanted)
    ? `${progress.ordersPlaced}/${progress.ordersWanted}`
    : String(progress.ordersPlaced);
}

function bar(progress: Progress): string {
  if (!Number.isFinite(progress.ordersWanted)) return "";
  const width = 30;
  const full = Math.round((width * progress.ordersPlaced) / progress.ordersWanted);
  return pc.green("█".repeat(full)) + pc.dim("░".repeat(width - full));
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
