// `npm run demo`: the shop at work, from a fresh clone. Installs, builds and generates what is missing, finds or
// starts Redis, then runs tools/demo/run.ts.
import { build } from "./build.mjs";
import { generate } from "./codegen.mjs";
import { openRedis } from "./dev-redis.mjs";
import { ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, ROOT, say, ToolError } from "./process.mjs";

await main(async () => {
  ensureNode();
  await ensureInstalled();
  const { register } = await import("tsx/esm/api");
  register();
  const { DEMO_HELP, parseDemoOptions } = await import("./demo/options.ts");
  const options = readOptions(parseDemoOptions);
  if (options === "help") {
    process.stdout.write(`${DEMO_HELP}\n`);
    return 0;
  }
  if (await build()) say("Built dist/.");
  await generate(ROOT);
  const redis = await openRedis();
  try {
    const { runDemo } = await import("./demo/run.ts");
    return await runDemo(ROOT, redis, options);
  } catch (error) {
    throw error.name === "DemoError" ? new ToolError(error.message) : error;
  } finally {
    await redis.stop();
  }
});

function readOptions(parse) {
  try {
    return parse(process.argv.slice(2));
  } catch (error) {
    throw new ToolError(error.message, "npm run demo -- --help");
  }
}
