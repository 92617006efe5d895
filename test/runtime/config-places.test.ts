// What weft.config.yaml says of values and keys that are not as usual, and where.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { loadConfig, parseConfig } from "../../runtime/config/index.js";

test("a folder in the place of the file", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "taskweft-odd-"));
  const found = await loadConfig({ env: { TASKWEFT_CONFIG: "." }, folder }).catch((error: unknown) => error);
  rmSync(folder, { recursive: true });
  expect(found).toMatchObject({ code: "OptionInvalid" });
});

test("the line of a value that is an alias", async () => {
  const { values } = await parseConfig("c", "worker:\n  grace: &g 20s\n  lease: *g\n");
  expect(values.get("worker.lease")).toEqual({ value: "20s", line: 3 });
});

test.each(["__proto__: { a: 1 }\n", "worker: { __proto__: { a: 1 } }\n"])(
  "an unknown key: %s",
  async (text) => {
    await expect(parseConfig("c", text)).rejects.toThrow(/unknown key "__proto__"/);
  },
);
