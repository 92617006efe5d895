/**
 * A producer process that asks for the release of finished gigs, and does not know who else has asked already.
 *   node --import tsx src/enqueue-releases.ts <file of contracts> <number of this producer>
 * Prints one line of JSON: a ReleaseReport.
 */
import { readFile } from "node:fs/promises";
import { connect, enqueueGigEscrowRelease, type GigEscrowReleasePayload } from "../generated/index.js";
import { PREFIX } from "./prefix.js";

export interface ReleaseReport {
  /** Enqueues that made a job. */
  readonly created: number;
  /** Enqueues that found the job of the contract. */
  readonly deduplicated: number;
  /** Contract and job of each enqueue. */
  readonly jobs: readonly (readonly [contractId: string, jobId: string])[];
}

/** Enqueues that are under way at a time. */
const WAVE = 50;

const [file = "", number = "0"] = process.argv.slice(2);
const contracts = JSON.parse(await readFile(file, "utf8")) as readonly GigEscrowReleasePayload[];
// Each producer begins at another place, so that for each contract another one is the first.
const start = Math.floor((Number(number) * contracts.length) / 5) % contracts.length;
const own = [...contracts.slice(start), ...contracts.slice(0, start)];

const client = await connect({ prefix: PREFIX });
try {
  const jobs: (readonly [string, string])[] = [];
  let created = 0;
  for (let from = 0; from < own.length; from += WAVE) {
    const wave = own.slice(from, from + WAVE);
    const handles = await Promise.all(wave.map((contract) => enqueueGigEscrowRelease(contract)));
    created += handles.filter((job) => !job.deduplicated).length;
    for (const [index, job] of handles.entries()) jobs.push([wave[index]!.contractId, job.id]);
  }
  const report: ReleaseReport = { created, deduplicated: jobs.length - created, jobs };
  process.stdout.write(`${JSON.stringify(report)}\n`);
} finally {
  await client.close();
}
