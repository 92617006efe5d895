/**
 * Ticks that start runs of a workflow. The script that settles a tick also starts its run. With `overlap:
 * replace`, a tick that finds a run under way cancels it, and is not settled before that run has ended: until
 * then every look of every worker finds the tick again.
 */
import type { RunScheduleDefinition } from "../../definition/index.js";
import { processMetrics } from "../../metrics/index.js";
import { runFields, type RunStart, type ScheduleState, tickRunId } from "../../protocol/index.js";
import { tickRun, type TickReply, type TickRunReply } from "../../scripts/index.js";
import { RUN_RETRYING, RunStarter } from "../../workflow/index.js";
import type { DueTicks } from "./due-ticks.js";
import { cancelEarlier } from "./earlier.js";
import type { TickPorts, TickTarget } from "./tick-target.js";

export class RunTicks implements TickTarget {
  readonly makes = "run";
  readonly named: { readonly workflow: string };
  readonly queue: string;
  readonly queues: ReadonlySet<string>;
  readonly hash: string;
  readonly routingKey: string;
  readonly #schedule: RunScheduleDefinition;
  readonly #ports: TickPorts;
  readonly #starter: RunStarter;
  /** The tick for which this worker has cancelled the run before it. */
  #cancelledFor: number | undefined;

  constructor(schedule: RunScheduleDefinition, ports: TickPorts) {
    const { name, hash, queue } = schedule.workflow;
    this.#schedule = schedule;
    this.#ports = ports;
    this.#starter = new RunStarter(schedule.workflow);
    this.named = { workflow: name };
    this.queue = queue;
    this.queues = this.#starter.queues;
    this.hash = hash;
    this.routingKey = schedule.name;
  }

  /** One call for each run: a hundred missed runs may start with thousands of jobs. */
  async settle(
    { lastMs, lastJob }: ScheduleState,
    due: DueTicks,
    nowMs: number,
  ): Promise<TickReply | "WAITING"> {
    const { run, missedMs, upToMs } = due;
    if (run.length === 0) return await this.#tick({ lastMs, upToMs, missedMs, start: undefined });
    let [before, missed, started] = [lastMs, missedMs, 0];
    for (const tickMs of run) {
      const start = this.#startOf(tickMs, nowMs);
      const reply = await this.#tick({ lastMs: before, upToMs: tickMs, missedMs: missed, start });
      if (reply === "WAITING") await this.#cancelEarlier(lastJob, tickMs);
      // Another worker or a later look continues from here.
      if (typeof reply !== "number") return reply;
      processMetrics.count("taskweft_run_started_total", this.named, reply);
      [before, missed, started] = [tickMs, 0, started + reply];
    }
    return started;
  }

  /**
   * Not repeated at every look, because a cancel walks through everything under way. Repeated when somebody
   * has retried the run meanwhile, or it would never end.
   */
  async #cancelEarlier(id: string, tickMs: number): Promise<void> {
    if (this.#cancelledFor === tickMs && !(await this.#goesOn(id))) return;
    await cancelEarlier(this.#ports, id);
    this.#cancelledFor = tickMs;
  }

  async #goesOn(id: string): Promise<boolean> {
    const { connection, keys } = this.#ports;
    const state = (await connection.readRunFields(keys, [runFields.state(id)])).get(runFields.state(id));
    return state === undefined || state === RUN_RETRYING;
  }

  async #tick(call: {
    readonly lastMs: number;
    readonly upToMs: number;
    readonly missedMs: number;
    readonly start: RunStart | undefined;
  }): Promise<TickRunReply> {
    const { connection, keys } = this.#ports;
    const { name, overlap } = this.#schedule;
    return await tickRun(connection, { keys, schedule: name, overlap, ...call });
  }

  #startOf(tickMs: number, nowMs: number): RunStart {
    const { random, place } = this.#ports;
    const { name, input, jitterMs } = this.#schedule;
    const dueMs = tickMs + Math.floor(random() * jitterMs);
    return this.#starter.start({
      run: tickRunId(place.router, place.shard, name, tickMs),
      input,
      now: nowMs,
      delayMs: Math.max(0, dueMs - Math.round(nowMs)),
    });
  }
}
