// The oracle: what worker processes wrote down outside Redis, compared with what Redis has on record.
import { readFileSync } from "node:fs";
import type { JobRun } from "../../runtime/protocol/index.js";

/** One line of the effects file. */
export interface Effect {
  readonly kind: "start" | "end";
  readonly id: string;
  readonly attempt: number;
  readonly pid: number;
  /** Local time (ms); all processes run on one machine. */
  readonly at: number;
}

export function readEffects(file: string): readonly Effect[] {
  // A process killed in the middle of a write leaves no half line: one small append is one write.
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Effect);
}

export function byId(effects: readonly Effect[]): ReadonlyMap<string, readonly Effect[]> {
  const groups = new Map<string, Effect[]>();
  for (const effect of effects) {
    const group = groups.get(effect.id);
    if (group === undefined) groups.set(effect.id, [effect]);
    else group.push(effect);
  }
  return groups;
}

export interface Account {
  readonly id: string;
  readonly run: JobRun;
  readonly effects: readonly Effect[];
  /** When each process that the test killed or froze was killed (ms). */
  readonly goneAt: ReadonlyMap<number, number>;
}

/** What is wrong with the history of one job that must have completed; empty when nothing is. */
export function problemsOf({ id, run, effects, goneAt }: Account): readonly string[] {
  const starts = effects.filter((effect) => effect.kind === "start");
  const crashes = run.events.filter((event) => event[1] === "crashed").length;
  const problems: string[] = [];
  // Three lost workers put a job in quarantine: dead, with the evidence.
  if (run.state === "dead" && crashes === 3) return problems;
  if (run.state !== "completed") problems.push(`is ${run.state}`);
  if (!effects.some((effect) => effect.kind === "end")) problems.push("has no effect");
  if (starts.length > crashes + 1)
    problems.push(`started ${starts.length} times with ${crashes} crashes on record`);
  if (run.crashes !== crashes) problems.push(`counts ${run.crashes} crashes, its events say ${crashes}`);
  if (run.attempts !== 1) problems.push(`spent ${run.attempts} attempts`);
  for (const [index, start] of starts.entries()) {
    const before = starts[index - 1];
    if (before !== undefined && (goneAt.get(before.pid) ?? Infinity) > start.at) {
      problems.push(`started in process ${start.pid} while process ${before.pid} was alive`);
    }
  }
  return problems.map((problem) => `job ${id} ${problem}`);
}
