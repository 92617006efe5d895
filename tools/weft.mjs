// `weft` inside this repository: builds what changed, then runs the command as an installed package would.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, ROOT } from "./process.mjs";

await main(async () => {
  ensureNode();
  await ensureInstalled();
  await build();
  const child = spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // Ctrl-C reaches the command through the terminal; we only have to stay until it has cleaned up.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
});
