// Messages at full speed with real workers, one of which is killed. TASKFLOW_MESSAGES=200000 runs a longer form.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ShardKeys } from "../../../runtime/protocol/index.js";
import { problemsOf } from "../../../test/support/fsck.js";
import { readShard } from "../../../test/support/shard.js";
import { startRedis } from "../../../test/support/redis.js";
import { testPlace } from "../../support/testing.js";
import { runFlow } from "../demo/flow.js";
import { PREFIX } from "../src/prefix.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MESSAGES = Number(process.env["TASKFLOW_MESSAGES"] ?? 5000);

const redis = await startRedis();

test(
  "no message is lost, and only those of the killed worker are handled again; at each look every job stands in one place",
  async () => {
    const raw = redis.client();
    const problems: string[] = [];
    let looks = 0;
    const account = await runFlow(await testPlace(ROOT, redis.url), {
      messages: MESSAGES,
      workers: 3,
      onLook: async () => {
        looks += 1;
        problems.push(...problemsOf(await readShard(raw, new ShardKeys(PREFIX))));
      },
    });
    process.stdout.write(`taskflow: ${JSON.stringify(account)}\n`);
    expect(problems).toEqual([]);
    expect(account).toMatchObject({ handled: MESSAGES, left: 0, dead: 0, repeated: account.explained });
    expect(account.deepest).toBeLessThanOrEqual(2000);
    // Without these the run has shown nothing: jobs were taken from the killed worker, and it was looked meanwhile.
    expect(account.taken).toBeGreaterThan(0);
    expect(looks).toBeGreaterThan(1);
    // Thousands a minute, on a machine that does other things as well.
    expect(account.perMinute).toBeGreaterThan(5000);
  },
  60_000 + MESSAGES * 10,
);
