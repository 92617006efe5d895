import { parseArgs } from "node:util";
import { LIBRARIES, type Library } from "./adapters/adapter.js";
import { type Workload, WORKLOADS } from "./workloads/index.js";

export interface BenchOptions {
  readonly workloads: readonly Workload[];
  readonly libraries: readonly Library[];
  /** Samples of each workload and library; a workload may cap it. */
  readonly rounds: number;
  /** Multiplies the number of jobs. */
  readonly scale: number;
  /** No workload of a second or later round begins after this time; the first round is always complete. */
  readonly budgetMs: number;
  /** How often a sample is repeated when other processes disturbed it. */
  readonly repeats: number;
  /** Redis writes an append-only file, synced every second. */
  readonly aof: boolean;
  /** File of the result; the table is written beside it as Markdown. */
  readonly out: string;
}

/** Thrown for a wrong command line; the text is for the person who typed it. */
export class UsageError extends Error {}

const FULL = { rounds: "5", scale: "1", repeats: "2", minutes: "12" } as const;
const QUICK = { rounds: "1", scale: "0.2", repeats: "0", minutes: "2" } as const;
const QUICK_WORKLOADS = [
  "both",
  "delayed",
  "drain-1",
  "drain-100",
  "drain-kept",
  "enqueue-1000",
  "enqueue-bulk",
  "enqueue-one",
  "pickup",
];

export function helpText(): string {
  const workloads = WORKLOADS.map(({ name, meaning }) => `  ${name.padEnd(20)} ${meaning}`);
  return `Usage: npm run bench -- [options]

Measures taskweft and its peers with the same jobs in interleaved rounds. Needs redis-server on the PATH.

Options
  --workloads a,b-* only these, or those that begin so, and what they are compared with (default: all)
  --peers a,b       of ${LIBRARIES.join(", ")} (default: all; ratios need bullmq)
  --rounds n        samples per workload and library (default ${FULL.rounds})
  --scale x         multiplies the number of jobs (default ${FULL.scale})
  --repeats n       repeat a sample up to n times when other processes used the CPU (default ${FULL.repeats})
  --minutes n       begin no workload of a second or later round after n minutes (default ${FULL.minutes})
  --quick           ${QUICK.rounds} round, scale ${QUICK.scale}, no repeats, only the main workloads: about a minute, for a first look
  --aof             Redis with an append-only file synced every second (default: no persistence)
  --out file        result file (default bench/results/<date>.json); a table is written beside it as .md
  --help            this text

Workloads
${workloads.join("\n")}
`;
}

/** Partial on the command line, complete here. `undefined` asks for the help text. */
export function parseOptions(argv: readonly string[], now: Date): BenchOptions | undefined {
  const values = readArguments(argv);
  if (values.help === true) return undefined;
  const base = values.quick === true ? QUICK : FULL;
  return {
    workloads: pickWorkloads(values.workloads, values.quick === true),
    libraries: pick("--peers", values.peers, LIBRARIES),
    rounds: readNumber("--rounds", values.rounds ?? base.rounds, { least: 1, whole: true }),
    scale: readNumber("--scale", values.scale ?? base.scale, { least: 0.001, whole: false }),
    repeats: readNumber("--repeats", values.repeats ?? base.repeats, { least: 0, whole: true }),
    budgetMs: readNumber("--minutes", values.minutes ?? base.minutes, { least: 0, whole: false }) * 60_000,
    aof: values.aof === true,
    out: values.out ?? `bench/results/${now.toISOString().slice(0, 19).replaceAll(":", "-")}.json`,
  };
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        aof: { type: "boolean" },
        help: { type: "boolean" },
        minutes: { type: "string" },
        out: { type: "string" },
        peers: { type: "string" },
        quick: { type: "boolean" },
        repeats: { type: "string" },
        rounds: { type: "string" },
        scale: { type: "string" },
        workloads: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function pickWorkloads(text: string | undefined, quick: boolean): readonly Workload[] {
  if (text === undefined) return WORKLOADS.filter(({ name }) => !quick || QUICK_WORKLOADS.includes(name));
  const known = WORKLOADS.map(({ name }) => name);
  const asked = text.split(",").flatMap((name) => namesLike(name.trim(), known));
  const names = pick("--workloads", asked.join(","), known);
  const bases = WORKLOADS.filter(({ name }) => names.includes(name)).map(({ variantOf }) => variantOf);
  return WORKLOADS.filter(({ name }) => names.includes(name) || bases.includes(name));
}

/** `drain-*` stands for all that begin with `drain-`; what stands for none stays, to be refused. */
function namesLike(asked: string, known: readonly string[]): readonly string[] {
  const found = known.filter((name) => asked.endsWith("*") && name.startsWith(asked.slice(0, -1)));
  return found.length > 0 ? found : [asked];
}

function pick<Name extends string>(
  option: string,
  text: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  if (text === undefined) return known;
  const asked = text.split(",").map((name) => name.trim());
  const unknown = asked.find((name) => !known.includes(name as Name));
  if (unknown !== undefined) {
    throw new UsageError(
      `${option}: expected names out of ${known.join(", ")}, got ${JSON.stringify(unknown)}`,
    );
  }
  return known.filter((name) => asked.includes(name));
}

function readNumber(option: string, text: string, range: { least: number; whole: boolean }): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= range.least && (!range.whole || Number.isInteger(value)))
    return value;
  const kind = range.whole ? "a whole number" : "a number";
  throw new UsageError(`${option}: expected ${kind} of at least ${range.least}, got ${JSON.stringify(text)}`);
}
