/** For the tests of the examples: a place of their own, and the sources of this repository instead of its build. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { Operator } from "./operator.js";
import type { Place } from "./place.js";

/** Worker and producer processes of a test run `taskweft` from its sources, as the test itself does. */
const FROM_SOURCE = "--conditions=taskweft-source";

/** `root`: folder of the example. The logs go with the test. */
export async function testPlace(root: string, redisUrl: string): Promise<Place> {
  const logs = await mkdtemp(join(tmpdir(), "weft-example-"));
  onTestFinished(() => rm(logs, { recursive: true, force: true }));
  vi.stubEnv("NODE_OPTIONS", FROM_SOURCE);
  return { root, logs, redisUrl };
}

export function testOperator(redisUrl: string, prefix: string): Operator {
  const operator = new Operator(redisUrl, prefix);
  onTestFinished(() => operator.close());
  return operator;
}
