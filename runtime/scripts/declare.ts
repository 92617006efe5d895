import { parseScheduleState, type ScheduleState, type ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const declareScript = new Script("declare");

export interface DeclaredSchedule {
  readonly name: string;
  /** Cron expression and time zone. If they change, the schedule starts over. */
  readonly timing: string;
  /** The definition as JSON, for the inspector. */
  readonly definition: string;
}

export interface DeclareCall {
  readonly keys: ShardKeys;
  readonly fingerprint: string;
  /** True when a worker starts, because its deploy is the newest. */
  readonly starts: boolean;
  readonly patienceMs: number;
  readonly schedules: readonly DeclaredSchedule[];
}

export interface Declared {
  /** Redis time (ms). */
  readonly nowMs: number;
  /** In the order of the call. */
  readonly states: readonly ScheduleState[];
}

export async function declare(runner: ScriptRunner, call: DeclareCall): Promise<Declared | "OTHER"> {
  const args: ScriptArgument[] = [call.fingerprint, call.starts ? 1 : 0, call.patienceMs];
  for (const { name, timing, definition } of call.schedules) args.push(name, timing, definition);
  const reply = await runner.run(declareScript, [call.keys.schedules], args);
  if (reply === "OTHER") return "OTHER";
  const [nowMs, ...states] = reply as string[];
  return { nowMs: Number(nowMs), states: states.map(parseScheduleState) };
}
