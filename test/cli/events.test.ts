// Events that are kept, in a project of a user: the command line shows them, and brings them to observers that were added since.
import { appendFile, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient, createEmitFunction, defineEvent } from "taskweft/generated-v1";
import { startRedis } from "../support/redis.js";
import { ANYTHING } from "../support/task.js";
import { inProcess, installInto, weft, type WeftResult } from "./weft.js";

const DEADLINE_MS = 60_000;
const DEFINITIONS = `events:
  user:came:
    retention: 7d
    payload: { name: { type: string, x-sensitive: true }, visits: integer }
observers:
  greet: { on: user:came, do: [{ task: hello:greet, with: { name: "\${{ event.name }}" } }] }
`;
const redis = await startRedis();
const env = { TASKWEFT_REDIS_URL: redis.url };
let folder: string;

const call = (...args: string[]): Promise<WeftResult> => inProcess(args, { cwd: folder, env });

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "weft-events-")));
  await call("init");
  await installInto(folder);
  await appendFile(join(folder, "tasks/hello.yaml"), DEFINITIONS);
  const generated = await call("codegen");
  if (generated.code !== 0) throw new Error(generated.stderr);
  // Emitted by a deploy that had no observers.
  const event = { name: "user:came", payload: () => ANYTHING, observers: [], keepMs: 600_000 };
  const client = createClient({ url: redis.url });
  await createEmitFunction(defineEvent<object>(event), [])({ name: "Ada", visits: 3 }, { client, id: "u-1" });
  await client.close();
}, DEADLINE_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("are listed, and shown without what is sensitive", async () => {
  expect((await call("events", "list")).stdout).toMatch(/^user:came +u-1 +\S+ +\d+ +in 9m/m);
  const none = await call("events", "list", "--event", "user:cam");
  expect(none.stderr).toMatch(
    /no events[^]*no event "user:cam" in the definitions: did you mean "user:came"\?/,
  );
  const { stdout } = await call("events", "show", "user:came", "u-1");
  expect(stdout).toMatch(/^settled +nothing$/m);
  expect(stdout).toContain('"visits": 3');
  expect(stdout).not.toContain("Ada");
});

test(
  "are replayed once, with the observers of the project, or all of it again",
  async () => {
    const replay = (...args: string[]) => weft(["events", "replay", ...args], { cwd: folder, env });
    const first = await replay("user:came", "u-1");
    expect(first).toMatchObject({ code: 0, stdout: "greet  hello:greet  u-1..greet.1  stored\n" });
    expect((await call("jobs", "show", "u-1..greet.1")).stdout).toContain("Ada");
    const second = await replay("user:came", "u-1");
    expect([second.code, second.stdout]).toEqual([0, ""]);
    expect(second.stderr).toContain("nothing to do");
    const again = await replay("user:came", "u-1", "--again", "--observers", "greet", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({
      data: { jobs: [{ observer: "greet", outcome: "stored" }] },
    });
    expect(await replay("user:cam", "u-1")).toMatchObject({ code: 4 });
    const gone = await replay("user:came", "nobody");
    expect(gone.code).toBe(4);
    expect(gone.stderr).toMatch(/^error EventUnknown: .*its retention \(7d\) has ended/);
  },
  DEADLINE_MS,
);
