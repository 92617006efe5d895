/**
 * `weft queues purge`: removes all jobs in one state from a queue after a confirmation, and shows its
 * progress.
 */
import type { PurgeReport, PurgeState, QueueSummary } from "../runtime/inspect/index.js";
import { CliError } from "./errors.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { withInspector } from "./inspection.js";
import { printable } from "./output/sanitize.js";
import type { Session } from "./session.js";

export interface PurgeCommandOptions {
  readonly state: PurgeState;
  readonly task?: string;
  readonly yes?: boolean;
}

export async function purgeQueue(
  name: string,
  options: PurgeCommandOptions,
  session: Session,
): Promise<ExitCode> {
  const { state, task, yes } = options;
  const ofTask = task === undefined ? {} : { task };
  const report = await withInspector(session, async ({ inspector }) => {
    if (yes !== true) throw notConfirmed(await inspector.showQueue(name), options);
    const progress = new ProgressLine(session, `purging ${name}`);
    try {
      return await inspector.purgeQueue(name, { state, ...ofTask, onProgress: (far) => progress.show(far) });
    } finally {
      progress.clear();
    }
  });
  session.result({ queue: name, state, ...ofTask, ...report }, () => summaryText(name, options, report));
  return report.steps > 0 ? EXIT.conflict : EXIT.ok;
}

function notConfirmed(queue: QueueSummary, { state, task }: PurgeCommandOptions): CliError {
  const count = `${queue.estimated.includes(state) ? "about " : ""}${queue[state]} ${state} jobs`;
  const which = task === undefined ? count : `those of the task ${task} among ${count}`;
  return new CliError("NotConfirmed", `this would remove ${which} from the queue ${queue.name}, for good`, {
    exitCode: EXIT.usage,
    fix: `add --yes to do it, or look at them first: weft jobs list --queue ${queue.name} --state ${state}`,
  });
}

function summaryText(name: string, { state }: PurgeCommandOptions, { removed, steps }: PurgeReport): string {
  const line = `${printable(name)}  ${removed} ${state} jobs removed`;
  if (steps === 0) return line;
  return `${line}; ${steps} left, which are steps of workflow runs: see weft runs cancel`;
}

const REDRAW_MS = 100;

/** A single line that is redrawn on a terminal; prints nothing in a pipe. */
class ProgressLine {
  readonly #session: Session;
  readonly #title: string;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(session: Session, title: string) {
    this.#session = session;
    this.#title = title;
  }

  show({ removed }: PurgeReport): void {
    const { stderr } = this.#session.io;
    if (stderr.isTTY !== true || performance.now() - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = performance.now();
    stderr.write(`\r${printable(this.#title)}: ${removed} jobs removed`);
  }

  clear(): void {
    if (this.#drawnAt > 0) this.#session.io.stderr.write("\r\u001b[K");
  }
}
