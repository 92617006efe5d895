// A project with isolated tasks as its user runs it: TypeScript through `weft worker`, and compiled by plain Node.
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generate } from "../../codegen/index.js";
import { projectFolder } from "../codegen/write/project-folder.js";
import { ROOT } from "../layout/source-files.js";
import { runProgram, startProgram } from "../support/process.js";
import { startRedis } from "../support/redis.js";
import { within } from "../support/signal.js";

const redis = await startRedis();
const TASKS = `version: 1
tasks:
  a:thread: { isolate: thread, payload: { n: integer }, result: { text: string } }
  a:process: { isolate: { in: process, memory: 256MiB, most: 1 }, payload: { n: integer }, result: { text: string } }
  a:normal: { payload: { n: integer } }
`;
const HANDLER = (task: string) => `import { isMainThread, threadId } from "node:worker_threads";
import { defineHandler, enqueueANormal } from "../../../generated/index.js";
console.log("loaded ${task} in", isMainThread && process.send === undefined ? "the worker" : "a host");
export default defineHandler("${task}", async (job, ctx) => {
  const child: string = await ctx.spawn("child", enqueueANormal, { n: job.payload.n });
  return { text: [job.task, isMainThread, child !== ""].join(" ") };
});
`;
const NORMAL = `import { defineHandler } from "../../../generated/index.js";
export default defineHandler("a:normal", (job) => console.log("ran the child of", job.payload.n));
`;
const PRODUCER = `import { connect, enqueueAProcess, enqueueAThread } from "./generated/index.js";
const client = await connect({ prefix: process.env["TASKWEFT_PREFIX"] ?? "" });
const jobs = [await enqueueAThread({ n: 1 }), await enqueueAProcess({ n: 2 })];
for (const job of jobs) console.log("result:", (await job.result()).text);
await client.close();
`;
const TSCONFIG = `{
  "compilerOptions": {
    "module": "nodenext", "target": "es2023", "types": ["node"], "strict": true, "skipLibCheck": true,
    "noEmitOnError": true, "rootDir": ".", "outDir": "out"
  },
  "include": ["generated", "tasks", "producer.ts"]
}
`;

test("handlers are imported in their hosts only, from TypeScript as from JavaScript", async () => {
  const folder = projectFolder({
    "package.json": JSON.stringify({ name: "isolated", type: "module" }),
    "tsconfig.json": TSCONFIG,
    "tasks/a.yaml": TASKS,
    "tasks/handlers/a/thread.ts": HANDLER("a:thread"),
    "tasks/handlers/a/process.ts": HANDLER("a:process"),
    "tasks/handlers/a/normal.ts": NORMAL,
    "producer.ts": PRODUCER,
  });
  mkdirSync(join(folder.root, "node_modules", "@types"), { recursive: true });
  symlinkSync(ROOT, join(folder.root, "node_modules", "taskweft"));
  symlinkSync(join(ROOT, "node_modules/@types/node"), join(folder.root, "node_modules/@types/node"));
  expect((await generate({ root: folder.root })).diagnostics).toEqual([]);
  await runProgram(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc")], { cwd: folder.root });

  const weft = [join(ROOT, "dist/cli/main.js"), "worker"];
  for (const [mode, args] of Object.entries({ typescript: weft, javascript: ["out/generated/worker.js"] })) {
    const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: mode };
    const worker = startProgram(process.execPath, args, { cwd: folder.root, env });
    await worker.printed(/worker started/);
    const said = await runProgram(process.execPath, ["out/producer.js"], { cwd: folder.root, env });
    expect(said).toContain("result: a:thread false true");
    expect(said).toContain("result: a:process true true");
    await worker.printed(/ran the child of (1[^]*of 2|2[^]*of 1)/);
    worker.signal("SIGTERM");
    expect((await within(8000, "the worker to end", worker.ended)).code).toBe(0);
    expect(
      worker
        .output()
        .match(/loaded a:\w+ in [\w ]+/g)
        ?.toSorted(),
    ).toEqual(["loaded a:process in a host", "loaded a:thread in a host"]);
  }
}, 120_000);
