// `npm run example -- hustlex`: a project of examples/ at work, from a fresh clone. Installs, builds and generates what
// is missing, finds or starts Redis, runs demo/main.ts of the example, and ends with its account as the exit code.
import { mkdir, rm } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { exampleFolder, exampleNames, generate } from "./codegen.mjs";
import { openRedis } from "./dev-redis.mjs";
import { ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, say, ToolError } from "./process.mjs";

await main(async () => {
  ensureNode();
  const [name = "", ...args] = process.argv.slice(2);
  const names = exampleNames();
  if (!names.includes(name)) {
    throw new ToolError(
      `Expected the name of an example (${names.join(", ")}), got ${JSON.stringify(name)}.`,
      `npm run example -- ${names[0]}`,
    );
  }
  await ensureInstalled();
  const { register } = await import("tsx/esm/api");
  register();
  if (await build()) say("Built dist/.");
  const root = exampleFolder(name);
  await generate(root);
  const logs = exampleFolder(name, ".weft", "demo");
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs, { recursive: true });
  const redis = await openRedis(root);
  try {
    say(`Redis: ${redis.description}. Logs: examples/${name}/.weft/demo.`);
    const { runExample } = await import(pathToFileURL(exampleFolder(name, "demo", "main.ts")).href);
    return await runExample({ root, logs, redisUrl: redis.url, args });
  } catch (error) {
    throw error.name === "ArgumentError" ? new ToolError(error.message) : error;
  } finally {
    await redis.stop();
  }
});
