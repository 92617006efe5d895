import { LIBRARIES, type Library } from "../adapters/adapter.js";
import type { Environment } from "../environment.js";
import { type Metric, METRICS } from "./metrics.js";
import type { SampleRecord } from "../runner.js";
import type { Spread } from "./statistics.js";
import { type Figure, summarise } from "./summary.js";
import { WORKLOADS } from "../workloads/index.js";

/** The result as a Markdown page: where it was measured, the table, what failed, what each workload is. */
export function renderReport(environment: Environment, records: readonly SampleRecord[]): string {
  const figures = summarise(records);
  const libraries = LIBRARIES.filter((library) => records.some((record) => record.library === library));
  return [
    `# Benchmark of ${environment.date.slice(0, 10)}`,
    describe(environment, libraries),
    "Median (lowest..highest) of the rounds; **x** = median of the ratios to BullMQ in the same round. `*` = other processes used the CPU.",
    renderTable(figures, libraries),
    ...renderVariants(figures, records),
    ...renderFailures(records),
    renderMeanings(records),
  ].join("\n\n");
}

function describe(environment: Environment, libraries: readonly Library[]): string {
  const { machine, versions, options, calibration } = environment;
  const names = libraries.map((library) => `${library} ${versions.libraries[library]}`);
  return (
    `${machine.cores} cores ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.platform}; Node ${versions.node}, ` +
    `Redis ${versions.redis} on the loopback, ${options.aof ? "append-only file synced every second" : "no persistence"}; ` +
    `${names.join(", ")}; payload ${environment.payloadBytes} bytes; rounds ${options.rounds}, scale ${options.scale}. ` +
    `One plain SET: ${calibration.roundTripUs} us from call to reply, ${calibration.redisUsPerCommand} us of Redis CPU.`
  );
}

function renderTable(figures: readonly Figure[], libraries: readonly Library[]): string {
  const lines = [
    `| workload | figure | ${libraries.join(" | ")} |`,
    `|---|---|${libraries.map(() => "---|").join("")}`,
  ];
  const rows = new Map<string, Figure[]>();
  for (const figure of figures) {
    const key = `| ${figure.workload} | ${METRICS[figure.metric].label} |`;
    rows.set(key, [...(rows.get(key) ?? []), figure]);
  }
  for (const [start, row] of rows) {
    const cells = libraries.map((library) => renderCell(row.find((figure) => figure.library === library)));
    lines.push(`${start} ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

const COMPARED: readonly Metric[] = ["rate", "redisUs", "nodeUs"];

/** Variants beside the workload that they are but for one thing. */
function renderVariants(figures: readonly Figure[], records: readonly SampleRecord[]): string[] {
  const variants = new Map(records.map(({ workload, variantOf }) => [workload, variantOf]));
  const lines: string[] = [];
  for (const [workload, variantOf] of variants) {
    if (variantOf === undefined) continue;
    for (const library of LIBRARIES) {
      const cells = COMPARED.map((metric) => {
        const figure = figures.find(
          (one) => one.workload === workload && one.library === library && one.metric === metric,
        );
        return figure?.ofPlain === undefined ? "" : `${formatNumber(figure.ofPlain.median)}x`;
      });
      if (cells.some((cell) => cell !== "")) {
        lines.push(`| ${workload} | ${variantOf} | ${library} | ${cells.join(" | ")} |`);
      }
    }
  }
  if (lines.length === 0) return [];
  const labels = COMPARED.map((metric) => METRICS[metric].label);
  const head = `| workload | times | of | ${labels.join(" | ")} |\n|---|---|---|${labels.map(() => "---|").join("")}`;
  return [
    "Variants beside the plain workload of the same library (median of the ratios of the rounds):",
    `${head}\n${lines.join("\n")}`,
  ];
}

function renderCell(figure: Figure | undefined): string {
  if (figure === undefined) return "";
  const mark = figure.disturbed ? "*" : "";
  const ratio = figure.ratio === undefined ? "" : ` **${formatNumber(figure.ratio.median)}x**`;
  return `${formatSpread(figure.value)}${mark}${ratio}`;
}

function formatSpread({ median, min, max, count }: Spread): string {
  return count === 1
    ? formatNumber(median)
    : `${formatNumber(median)} (${formatNumber(min)}..${formatNumber(max)})`;
}

/** Three digits are all that such a measurement can carry. */
export function formatNumber(value: number): string {
  return new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 }).format(value);
}

function renderFailures(records: readonly SampleRecord[]): string[] {
  const failures = records.filter(({ error }) => error !== undefined);
  if (failures.length === 0) return [];
  const lines = failures.map(
    ({ workload, library, round, error }) =>
      `- ${workload}, ${library}, round ${round + 1}: ${error?.split("\n")[0]}`,
  );
  return [`Failed samples:\n\n${lines.join("\n")}`];
}

function renderMeanings(records: readonly SampleRecord[]): string {
  const measured = new Set(records.map(({ workload }) => workload));
  const lines = WORKLOADS.filter(({ name }) => measured.has(name)).map(
    ({ name, meaning }) => `- ${name}: ${meaning}`,
  );
  return `Workloads:\n\n${lines.join("\n")}\n`;
}

const HEADLINES: readonly Metric[] = [
  "rate",
  "p50Us",
  "latenessMaxMs",
  "idleCommandsPerSecond",
  "redisUs",
  "commands",
  "nodeUs",
];

/** One line for the terminal while the samples run. */
export function renderProgress(record: SampleRecord): string {
  const start = `${record.workload.padEnd(19)} ${record.library.padEnd(9)} round ${record.round + 1}`;
  if (record.error !== undefined) return `${start}  FAILED ${record.error}`;
  const figures = HEADLINES.flatMap((metric) => {
    const value = record.metrics[metric];
    return value === undefined ? [] : [`${formatNumber(value)} ${METRICS[metric].label}`];
  });
  const disturbed = record.disturbed
    ? `  (disturbed: ${formatNumber(record.foreignCores)} foreign cores)`
    : "";
  return `${start}  ${figures.slice(0, 5).join(", ")}${disturbed}`;
}
