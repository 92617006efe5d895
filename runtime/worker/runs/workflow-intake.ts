/**
 * Takes claimed jobs of workflow runs. The payload of a step is computed here from what is stored of its run;
 * then the step is a job like any other. What belongs to the run itself (a wait, a fan-out, the decision how
 * it goes on) is done here.
 *
 *   claimed -> read the run --> ready (payload computed) -> executor
 *                           --> ended here: skipped, waited, fanned out, its run is over
 *                           --> waits for an event (EventWaits), or for a run that is the step (ChildRuns)
 *                           --> decided by RunDecider
 */
import type { Connection } from "../../connection/index.js";
import { TaskweftError } from "../../errors.js";
import { begunRecord, NEW_RUN, runFields, type ShardKeys, type StepStatus } from "../../protocol/index.js";
import { storeItems } from "../../scripts/index.js";
import {
  areGiven,
  evaluate,
  firstOfLanes,
  isChild,
  itemOf,
  type Scope,
  storedItems,
} from "../../workflow/index.js";
import { ChildRuns, type ChildRunsPorts } from "./child-runs.js";
import { type Claim, wasHandled } from "../claims/claim.js";
import { copyOf } from "../claims/copy-of.js";
import { EventWaits } from "./event-waits.js";
import type { Logger } from "../handler.js";
import { describeError } from "../attempts/outcome.js";
import { MAX_CRASHES } from "../leases/reaper.js";
import { RetriedSteps, type RetriedStepsPorts } from "./retried-steps.js";
import type { RunDecider } from "./run-decider.js";
import type { RunFacts, RunReader } from "./run-reader.js";
import { knownPayload, knownScope, memoryOf } from "./run-memory.js";
import { endOfFanOut, endOfStep, widthOf } from "./step-end.js";
import { contextOf, countItems, type StepContext, stepsOf } from "../claims/step-context.js";
import { type Placed, readTogether, type Taken } from "./placed-claims.js";
import type { Carried, StepEnds } from "./step-ends.js";
import { addFields, ownField } from "./step-fields.js";

const ERROR_PAUSE_MS = 250;
const MAX_ITEMS = 100_000;

export interface IntakePorts
  extends Pick<ChildRunsPorts, "fetcher" | "inputs" | "maxResultCharacters">, RetriedStepsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  readonly worker: () => string;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly reader: RunReader;
  readonly ends: StepEnds;
  readonly decider: RunDecider;
  /** Jobs that this worker holds from now on. */
  readonly hold: (claims: readonly Claim[]) => void;
  /** Steps that may start. */
  readonly ready: (claims: readonly Claim[]) => void;
  /** A step that has lost its worker too often. */
  readonly quarantine: (claim: Claim) => void;
}

export class WorkflowIntake {
  readonly #ports: IntakePorts;
  readonly #waits: EventWaits;
  readonly #children: ChildRuns;
  readonly #retried: RetriedSteps;
  readonly #underWay = new Set<Promise<void>>();
  #preparing = 0;
  #closed = false;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
    this.#waits = new EventWaits(ports);
    this.#children = new ChildRuns(ports);
    this.#retried = new RetriedSteps(ports);
  }

  /** Claims that are being prepared; they wait for a slot like others. */
  get preparing(): number {
    return this.#preparing;
  }

  /** Keeps the jobs of runs, and returns the others. */
  sift(claims: readonly Claim[]): readonly Claim[] {
    if (!claims.some(isOfRun)) return claims;
    const since = performance.now();
    this.#take(claims.filter(isOfRun).map((claim) => ({ claim, since })));
    return claims.filter((claim) => !isOfRun(claim));
  }

  /** Continues with jobs that started with the ends of steps of this worker. */
  carryOn(jobs: readonly Carried[]): void {
    const ready: Claim[] = [];
    const unread: Taken[] = [];
    for (const { from, begin, at } of jobs) {
      const { graph, run, since, memory } = from;
      const mold = begin?.mold ?? graph.decider;
      const known = knownPayload(from, begin);
      const { id, record } = begunRecord(mold, run, at, begin?.item, copyOf(known?.payload ?? null));
      const claim: Claim = { id, record, run: NEW_RUN };
      const step = known === undefined ? undefined : graph.step(mold.step);
      if (step === undefined) unread.push({ claim, since });
      else ready.push({ id, record, run: NEW_RUN, step: contextOf(claim, since, graph, step, memory) });
    }
    this.#ports.hold([...ready, ...unread.map(({ claim }) => claim)]);
    this.#take(unread);
    if (ready.length > 0) this.#ports.ready(ready);
  }

  #take(taken: readonly Taken[]): void {
    if (taken.length === 0) return;
    this.#preparing += taken.length;
    const run: Promise<void> = this.#prepareAll(taken).finally(() => this.#underWay.delete(run));
    this.#underWay.add(run);
  }

  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  close(): void {
    this.#closed = true;
  }

  async #prepareAll(taken: readonly Taken[]): Promise<void> {
    const { worker } = this.#ports;
    const name = worker();
    let open = taken;
    // This worker holds the jobs now: a failed read is repeated until it succeeds, or they would stay active
    // without running.
    while (open.length > 0) {
      if (this.#closed || worker() !== name) {
        const none = open.map(() => undefined);
        return this.#pass(name, none);
      }
      open = await this.#tryPrepare(name, open);
      if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
    }
  }

  #pass(name: string, prepared: readonly (Claim | undefined)[]): void {
    const { worker, ready } = this.#ports;
    // Before the claims are passed on: a suspect that waits until nothing is under way checks this number
    // then.
    this.#preparing -= prepared.length;
    ready(worker() === name ? prepared.filter((one) => one !== undefined) : []);
  }

  /** Returns those that are to be tried again. */
  async #tryPrepare(name: string, taken: readonly Taken[]): Promise<readonly Taken[]> {
    const { decider, reader } = this.#ports;
    const read = await readTogether(reader, decider, taken).catch((error: unknown) => this.#warn(error));
    if (read === undefined) return taken;
    const { placed, facts } = read;
    const plain = placed.map((one) => this.#preparePlain(one, facts));
    // They do not wait for the others, of which one may have a long list to store.
    const started = plain.filter((one) => one !== undefined);
    if (started.length > 0) this.#pass(name, started);
    if (started.length === taken.length) return [];
    const again: Taken[] = [];
    const prepared: (Claim | undefined)[] = [];
    const prepareOther = async (one: Placed, i: number): Promise<void> => {
      if (plain[i] !== undefined) return;
      const other = await this.#prepareOne(name, one, facts);
      if (other === "again") {
        again.push(taken[i]!);
        return;
      }
      prepared.push(other);
      // Items of a fan-out are ready in the same moment, and are passed on together.
      if (prepared.length === 1) queueMicrotask(() => this.#pass(name, prepared.splice(0)));
    };
    await Promise.all(placed.map(prepareOther));
    return again;
  }

  /**
   * The fast path for a step of a run that goes on, or an item, for which everything needed has been read.
   */
  #preparePlain({ claim, graph, context }: Placed, facts: RunFacts): Claim | undefined {
    if (context === undefined || graph === undefined || claim.run.crashes >= MAX_CRASHES) return undefined;
    const { run, step, item, undoes } = context;
    const isPlain = item === undefined ? step.if === undefined && step.forEach === undefined : true;
    if (!isPlain || undoes || step.job === undefined || step.waitFor !== undefined) return undefined;
    if (facts.has(runFields.state(run)) || facts.has(ownField(context))) return undefined;
    try {
      const record = this.#ports.reader.recordIn(run, facts);
      if (record?.life?.passed.has(step.name) === true) return undefined;
      const { reads } = graph.traits(step);
      // The slow path computes values that many items read once for all of them.
      if (record === undefined || (item !== undefined && reads.length > 0)) return undefined;
      const steps = knownScope(graph, run, reads, facts);
      if (steps === undefined) return undefined;
      const scope = {
        input: record.input,
        run: { id: run },
        steps,
        ...itemScope(context, record.input, facts),
      };
      const payload = evaluate(step.job.payload, scope);
      countItems(context, facts);
      context.memory = memoryOf(context, record, reads, facts);
      context.life = record.life;
      return this.#withPayload(claim, context, payload);
    } catch {
      // The slow path tries again and reports the error.
      return undefined;
    }
  }

  /** Data that cannot be read or evaluated now would not be the next time either, so the step fails. */
  async #prepareOne(name: string, { claim, graph, context }: Placed, facts: RunFacts): Promise<Prepared> {
    if (context !== undefined) countItems(context, facts);
    try {
      if (context === undefined) {
        await this.#ports.decider.decide(name, claim, graph === undefined ? undefined : facts);
        return undefined;
      }
      const prepared = await this.#prepare(name, claim, context, facts);
      if (prepared !== "again") return prepared;
      // The stored state of its run, or of the run that it is, has changed.
      const fields = new Set<string>();
      addFields(this.#ports.reader, context, fields);
      const news = await this.#ports.reader.read([...fields]);
      return await this.#prepareOne(name, { claim, graph, context }, news);
    } catch (error) {
      if (context === undefined || error instanceof TaskweftError) {
        this.#warn(error);
        return "again";
      }
      // Only the name of the error: a JSON parse error quotes the text, which may be sensitive.
      const what = describeError(error).name;
      this.#ports.logger.error("a step of a workflow run cannot begin, and has failed", {
        job: claim.id,
        error: what,
      });
      return this.#end(context, "failed", `${what}: what the step reads of its run cannot be used`);
    }
  }

  #warn(error: unknown): void {
    this.#ports.logger.warn("reading a workflow run failed; trying again", { error });
  }

  async #prepare(name: string, claim: Claim, context: StepContext, facts: RunFacts): Promise<Prepared> {
    const { reader } = this.#ports;
    const { graph, run, step, item, undoes } = context;
    const known = await reader.record(run, facts);
    const ended = facts.get(ownField(context))?.charAt(0);
    // An earlier worker may have died before it wrote the outcome of the job.
    if (known !== undefined && ended === "x") return await this.#retried.cancel(claim, context);
    if (known === undefined || ended !== undefined) return this.#end(context, "cancelled", null);
    context.life = known.life;
    const goesOn = !facts.has(runFields.state(run));
    if (await this.#retried.passOn(context, goesOn)) return undefined;
    const child = !undoes && isChild(step, item?.index) ? await this.#children.find(context) : undefined;
    // A child run that exists is awaited, whatever happens to this run.
    if (child?.parent !== undefined) return await this.#children.follow(name, context, child, known, goesOn);
    if (!goesOn && !undoes) return await this.#retried.cancel(claim, context);
    const { input } = known;
    const reads = stepsOf(graph, step, undoes);
    context.memory = memoryOf(context, known, reads, facts);
    const steps = await reader.scopeOf(graph, run, reads, facts);
    const scope: Scope = { input, run: { id: run }, steps, ...itemScope(context, input, facts) };
    if (undoes) return this.#ready(claim, context, await this.#retried.undoing(context, scope));
    if (item !== undefined && child === undefined)
      return this.#ready(claim, context, evaluate(step.job?.payload ?? NOTHING, scope));
    const begun = step.forEach === undefined ? 0 : Number(facts.get(runFields.items(run, step.name)) ?? 0);
    // The condition of a step that has started is not evaluated again: other steps may have ended since.
    const hasBegun =
      item !== undefined ||
      wasHandled(claim) ||
      facts.has(runFields.waitsUntil(run, step.name)) ||
      // In an earlier life of the run.
      (known.life !== undefined && begun > 0);
    if (step.if !== undefined && !hasBegun && evaluate(step.if, scope) !== true)
      return this.#end(context, "skipped", null);
    if (child !== undefined) return await this.#children.start(name, context, child, known, scope);
    if (step.waitFor !== undefined) return await this.#waits.wait(name, context, step.waitFor, scope, facts);
    if (step.forEach !== undefined) {
      if (begun > 0 && (await this.#goOn(context, begun))) return undefined;
      return await this.#fanOut(name, context, evaluate(step.forEach, scope));
    }
    if (step.job === undefined) return this.#end(context, "completed", null);
    return this.#ready(claim, context, evaluate(step.job.payload, scope));
  }

  #ready(claim: Claim, context: StepContext, payload: unknown): Claim | undefined {
    const ready = this.#withPayload(claim, context, payload);
    if (claim.run.crashes < MAX_CRASHES) return ready;
    this.#ports.quarantine(ready);
    return undefined;
  }

  #withPayload(claim: Claim, context: StepContext, payload: unknown): Claim {
    const { version, task, queue, hash, options } = claim.record;
    // A copy: the handler may modify its payload, and the values are used for other steps.
    const record = { version, task, queue, hash, options, payload: copyOf(payload) };
    return { id: claim.id, record, run: claim.run, step: context };
  }

  #end(context: StepContext, status: StepStatus, detail: unknown): undefined {
    this.#ports.ends.add(endOfStep(context, status, detail, this.#ports.now()), context);
  }

  async #fanOut(name: string, context: StepContext, items: unknown): Promise<undefined> {
    const { connection, keys, ends } = this.#ports;
    const { id, run, step } = context;
    if (!Array.isArray(items) || items.length > MAX_ITEMS) {
      const got = Array.isArray(items) ? `${items.length} items` : typeof items;
      return this.#end(
        context,
        "failed",
        `forEach: expected a list of at most ${MAX_ITEMS} items, got ${got}`,
      );
    }
    if (items.length === 0) return this.#end(context, "completed", null);
    for (const fields of storedItems(run, step, items)) {
      const reply = await storeItems(connection, { keys, worker: name, id, fields });
      if (reply !== "STORED") return undefined;
    }
    const begun = Array.from({ length: Math.min(items.length, widthOf(step)) }, (_unused, index) => index);
    ends.add(endOfFanOut(context, begun));
    return undefined;
  }

  /**
   * Continues the fan-out of a retried run with the items that it had; false when not all of them were
   * stored.
   */
  async #goOn(context: StepContext, total: number): Promise<boolean> {
    const { reader, ends } = this.#ports;
    const { run, step } = context;
    const last = runFields.item(run, step.name, total - 1);
    if (!areGiven(step) && !(await reader.read([last])).has(last)) return false;
    const begins = firstOfLanes(await reader.itemsEnded(run, step.name, total), widthOf(step));
    if (begins.length === 0) this.#end(context, "completed", null);
    else ends.add(endOfFanOut(context, begins));
    return true;
  }
}

/**
 * A claim that may start; `undefined`: it was handled here; `again`: Redis refused, or the stored state has
 * changed.
 */
type Prepared = Claim | "again" | undefined;

const NOTHING = ["value", null] as const;

function isOfRun(claim: Claim): boolean {
  return claim.record.options.run !== undefined;
}

function itemScope({ run, step, item }: StepContext, input: unknown, facts: RunFacts): Scope {
  return item === undefined ? {} : { item: itemOf(run, step, item.index, input, facts), index: item.index };
}
