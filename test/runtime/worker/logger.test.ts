import { afterEach, expect, test, vi } from "vitest";
import { createConsoleLogger } from "../../../runtime/worker/logger.js";

afterEach(() => vi.restoreAllMocks());

function lineOf(log: (logger: ReturnType<typeof createConsoleLogger>) => void): string {
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  log(createConsoleLogger("debug"));
  return String(write.mock.calls[0]?.[0]);
}

test("a message and its fields stay on one line", () => {
  const line = lineOf((logger) =>
    logger.info("first\n  second", { error: new Error("a\nb"), n: 3, "who is": "x y" }),
  );
  expect(line).toMatch(/INFO  first \| second error="Error: a\\nb" n=3 who is="x y"\n$/);
});

test("nothing that steers a terminal gets through, neither in the message nor in a field", () => {
  const line = lineOf((logger) =>
    logger.warn("\u001b[2J\u009bred\u202e", { note: "\u001b]0;x\u0007", plain: "\u202eabc" }),
  );
  expect(line.trimEnd()).not.toMatch(/[\p{Cc}\u202e]/u);
  expect(line).toContain("\\u001b[2J\\u009bred\\u202e");
});

test("what has no width, or breaks a line, is seen", () => {
  const hidden = "\u061c\u200b\u200d\u2028\u2029\u2060\ufeff";
  const line = lineOf((logger) => logger.warn(`a${hidden}b`, { note: `c${hidden}` }));
  const shown = String.raw`\u061c\u200b\u200d\u2028\u2029\u2060\ufeff`;
  expect(line).toContain(`a${shown}b note=`);
  expect(line).toContain(`c${shown}`);
});

test("lines below the level are not written", () => {
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  createConsoleLogger("warn").info("unheard");
  expect(write).not.toHaveBeenCalled();
});
