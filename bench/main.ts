/**
 * The benchmark: measures taskweft and its peers with the same jobs, prints the table, writes the result. Started by
 * `npm run bench`, which installs the peers and builds the package first: what is measured is `dist`, as users get it.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { readEnvironment } from "./environment.js";
import { type BenchOptions, helpText, parseOptions, UsageError } from "./options.js";
import { waitForQuiet } from "./quiet.js";
import { renderProgress, renderReport } from "./figures/report.js";
import { RedisServer } from "./redis-server.js";
import { runAll } from "./runner.js";
import { summarise } from "./figures/summary.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function bench(options: BenchOptions, now: Date): Promise<number> {
  await waitForQuiet();
  const environment = await readEnvironment(options, now);
  const records = await runAll(options, (record) => process.stdout.write(`${renderProgress(record)}\n`));
  const report = renderReport(environment, records);
  const result = { ...environment, figures: summarise(records), samples: records };
  const page = options.out.replace(/(\.json)?$/, ".md");
  await mkdir(path.dirname(options.out), { recursive: true });
  await writeFile(options.out, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(page, report);
  process.stdout.write(`\n${report}\nWritten: ${options.out} and ${page}\n`);
  return records.some(({ error }) => error !== undefined) ? EXIT_FAILED : 0;
}

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.once(signal, () => {
    // The agents end with their channel; the servers must be told. 128 + n is the shell's code for a signal.
    void RedisServer.stopAll().finally(() => process.exit(128 + number));
  });
}

try {
  const now = new Date();
  const options = parseOptions(process.argv.slice(2), now);
  if (options === undefined) process.stdout.write(helpText());
  else process.exitCode = await bench(options, now);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nRun with --help to see all options.\n`);
  process.exitCode = EXIT_USAGE;
}
