/**
 * `weft fsck`: checks the rules of docs/states.md while the system runs. A census reads everything in pages;
 * a second and a third look read only the suspects, and what all three find wrong is a finding. With
 * `repair`, one script puts each id where it belongs, and does nothing if the id has moved since.
 */
import { TaskweftError } from "../../errors.js";
import { ACTIVE_PAD_FIELD } from "../../protocol/index.js";
import { reclaim, regate, repair } from "../../scripts/index.js";
import { readProtocol, type ShardReader } from "../shard-reader.js";
import { takeCensus } from "./census.js";
import type { JobFacts } from "./facts.js";
import type { AuditFinding, AuditReport, RepairOutcome } from "./finding.js";
import { lookAtEvents, repairEvent } from "./event-look.js";
import { lookAtGate } from "./gate-look.js";
import { lookAtListeners, repairListener } from "./listener-look.js";
import { lookAtPins } from "./pin-look.js";
import { type Placement, placementOf } from "./placement.js";
import { findQueues, lookAtQueues, lookAtWorkers, repairQueue, typeFindings } from "./queue-look.js";
import { jobFindings } from "./rules/index.js";
import { suspectRuns } from "./run-census.js";
import { lookAtRuns } from "./run-look.js";
import { lookAgain, type Suspects } from "./second-look.js";

export interface AuditOptions {
  /** Repairs what is safe to repair. Default: only report. */
  readonly repair?: boolean;
}

const MOST_FINDINGS = 1000;
/** Suspects per batch: each batch reads the pending lists once more. */
const BATCH = 50_000;
/** Longest list that a repair may search (ids): takes 2 ms. */
const LONGEST_SEARCH = 100_000;
/** Expiry of a key that has lost its own (ms from now): long enough to keep rejecting duplicates. */
const LOST_KEY_MS = 24 * 3_600_000;

export async function audit(reader: ShardReader, options: AuditOptions = {}): Promise<AuditReport> {
  await assertProtocol(reader);
  const report = new Report();
  const queues = await findQueues(reader);
  const types = await typeFindings(reader, queues);
  report.add(...types);
  if (types.length > 0) return report.result(0);
  const { jobs, suspects, owners, waits, jobsOfRuns } = await takeCensus(reader, queues);
  const repairs = options.repair === true;
  const named = new Set(queues);
  await auditWorkers(reader, owners, report, repairs);
  for (const batch of batchesOf(suspects)) {
    for (const facts of await confirmed(reader, batch, queues)) {
      const findings = jobFindings(facts);
      if (facts.record.kind === "job") named.add(facts.record.queue);
      const outcome =
        repairs && findings.some((finding) => finding.repair !== undefined)
          ? await repairJob(reader, facts)
          : undefined;
      report.add(...findings.map((finding) => withOutcome(finding, outcome)));
    }
  }
  // After the jobs, because a job's entry at the gate decides what its group must count.
  for (const { finding, repair: mend } of await lookAtGate(reader, [...named])) {
    report.add(withOutcome(finding, repairs ? await mend() : undefined));
  }
  await auditRuns(reader, jobsOfRuns, report, repairs);
  await auditEvents(reader, report, repairs);
  await auditListeners(reader, waits, report, repairs);
  // Last, because a repair may have put a job into a queue that had none.
  await auditQueues(reader, [...named], report, repairs);
  return report.result(jobs);
}

/** What both the second and the third look find wrong: a fast-moving id may slip through one look. */
async function confirmed(
  reader: ShardReader,
  suspects: Suspects,
  queues: readonly string[],
): Promise<readonly JobFacts[]> {
  let left = suspects;
  let found: readonly JobFacts[] = [];
  for (let look = 0; look < 2 && left.size > 0; look++) {
    found = (await lookAgain(reader, left, queues)).filter((facts) => jobFindings(facts).length > 0);
    const ids = found.map(({ id }): [string, readonly string[]] => [id, suspects.get(id) ?? []]);
    left = new Map(ids);
  }
  return left.size === 0 ? [] : found;
}

async function repairJob(reader: ShardReader, facts: JobFacts): Promise<RepairOutcome> {
  const placement = placementOf(facts);
  const { id, record, run, owner } = facts;
  if (placement === undefined) return "moved";
  const { pending, due } = placement;
  const own = record.kind === "job" ? [record.queue] : [];
  const names = new Set([...own, ...facts.pending.keys(), ...facts.due.keys()]);
  const reply = await repair(reader.connection, {
    keys: reader.keys,
    id,
    seen: {
      record: record.kind === "job" ? "job" : record.kind === "none" ? "none" : "tombstone",
      run: run.text,
      owner,
    },
    target: placement,
    queues: [...names].map((name) => ({
      name,
      seen: facts.pending.get(name) ?? 0,
      pending: pending === name,
      dueAt: due?.queue === name ? due.at : undefined,
    })),
    longestSearch: LONGEST_SEARCH,
    keyFields: facts.keys.map(({ field }) => field),
    keyEndsAt: facts.nowMs + LOST_KEY_MS,
  });
  if (reply !== "REPAIRED") return reply === "LONG" ? "too-long" : "moved";
  return placement.gate === undefined ? "repaired" : await repairAtGate(reader, facts, placement);
}

/** After the repair of its places, because a job whose history was changed must be judged by the new one. */
async function repairAtGate(
  reader: ShardReader,
  { id, record, entry, owner }: JobFacts,
  placement: Placement,
): Promise<RepairOutcome> {
  const { gate } = placement;
  if (gate === undefined) return "repaired";
  const kept = placement.record === "keep" ? "job" : placement.record;
  const reply = await regate(reader.connection, {
    keys: reader.keys,
    id,
    seen: {
      record: kept,
      run: placement.run,
      owner: placement.active ? owner : undefined,
      entry,
    },
    ...gate,
    queue: record.kind === "job" ? record.queue : (entry?.split(" ")[1] ?? "none"),
    longestSearch: LONGEST_SEARCH,
  });
  return reply === "REPAIRED" ? "repaired" : reply === "LONG" ? "too-long" : "moved";
}

/** After the jobs, because a run waits for a job that has just been put where it belongs. */
async function auditRuns(
  reader: ShardReader,
  jobs: ReadonlyMap<string, string>,
  report: Report,
  repairs: boolean,
): Promise<void> {
  const { suspects, definitions } = await suspectRuns(reader, jobs);
  for await (const { findings, repair: mend } of lookAtRuns(reader, suspects)) {
    const mends = repairs && findings.some((finding) => finding.repair !== undefined);
    const outcome = mends ? await mend() : undefined;
    report.add(...findings.map((finding) => withOutcome(finding, outcome)));
  }
  // After the runs, because a run in a wrong list would be counted wrongly.
  for (const { finding, repair: mend } of await lookAtPins(reader, definitions)) {
    const outcome = repairs && finding.repair !== undefined ? await mend() : undefined;
    report.add(withOutcome(finding, outcome));
  }
}

async function auditEvents(reader: ShardReader, report: Report, repairs: boolean): Promise<void> {
  for (const { field, findings } of await lookAtEvents(reader)) {
    if (repairs) await repairEvent(reader, field, (await reader.now()) + LOST_KEY_MS);
    report.add(...findings.map((finding) => withOutcome(finding, repairs ? "repaired" : undefined)));
  }
}

async function auditListeners(
  reader: ShardReader,
  waits: ReadonlySet<string>,
  report: Report,
  repairs: boolean,
): Promise<void> {
  for (const { facts, findings } of await lookAtListeners(reader, waits)) {
    if (repairs) await repairListener(reader, facts, (await reader.now()) + LOST_KEY_MS);
    report.add(...findings.map((finding) => withOutcome(finding, repairs ? "repaired" : undefined)));
  }
}

async function auditQueues(
  reader: ShardReader,
  queues: readonly string[],
  report: Report,
  repairs: boolean,
): Promise<void> {
  for (const { facts, findings } of await lookAtQueues(reader, queues)) {
    for (const finding of findings) {
      if (repairs) await repairQueue(reader, finding, facts.name);
      report.add(withOutcome(finding, repairs ? "repaired" : undefined));
    }
  }
}

async function auditWorkers(
  reader: ShardReader,
  owners: ReadonlyMap<string, readonly string[]>,
  report: Report,
  repairs: boolean,
): Promise<void> {
  for (const { name, findings } of await lookAtWorkers(reader, owners)) {
    for (const finding of findings)
      report.add(withOutcome(finding, repairs ? await condemn(reader, name) : undefined));
  }
}

/**
 * The first half of what workers do for a lost worker: a reclaim without a held job takes nothing back, but
 * marks the lease as expired, so that workers take the jobs back.
 */
async function condemn(reader: ShardReader, worker: string): Promise<RepairOutcome> {
  const nothing = { maxCrashes: 1, suspectWaitMs: 0, keepMs: 0, queues: [], ids: [ACTIVE_PAD_FIELD] };
  const reply = await reclaim(reader.connection, {
    keys: reader.keys,
    worker,
    reason: "crashed",
    ...nothing,
  });
  return reply === "ALIVE" ? "moved" : "repaired";
}

function withOutcome(finding: AuditFinding, outcome: RepairOutcome | undefined): AuditFinding {
  return finding.repair === undefined || outcome === undefined ? finding : { ...finding, outcome };
}

async function assertProtocol(reader: ShardReader): Promise<void> {
  const { stored, known } = await readProtocol(reader);
  if (stored === known) return;
  const text = `Redis holds protocol ${stored}, this taskweft knows ${known}. Use the taskweft of the workers.`;
  throw new TaskweftError("ProtocolUnknown", text, { operation: "fsck" });
}

function* batchesOf(suspects: Suspects): Generator<Suspects> {
  const all = [...suspects];
  for (let start = 0; start < all.length; start += BATCH) yield new Map(all.slice(start, start + BATCH));
}

class Report {
  readonly #findings: AuditFinding[] = [];
  readonly #counts: Partial<Record<AuditFinding["code"], number>> = {};
  #remaining = 0;

  add(...findings: readonly AuditFinding[]): void {
    for (const finding of findings) {
      this.#counts[finding.code] = (this.#counts[finding.code] ?? 0) + 1;
      if (finding.outcome !== "repaired") this.#remaining++;
      if (this.#findings.length < MOST_FINDINGS) this.#findings.push(finding);
    }
  }

  result(jobs: number): AuditReport {
    return { jobs, findings: this.#findings, counts: this.#counts, remaining: this.#remaining };
  }
}
