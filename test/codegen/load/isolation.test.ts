import { describe, expect, it } from "vitest";
import { problems, taskFile, taskOf } from "./load.js";

describe("isolation", () => {
  const of = (isolate: string): unknown =>
    taskOf(taskFile(`payload: {}\nisolate: ${isolate}`)).definition.isolate;

  it("is a word or a map, with memory in MiB", () => {
    expect(of("thread")).toEqual({ in: "thread" });
    expect(of("{ in: process, memory: 2GiB, most: 3 }")).toEqual({ in: "process", memoryMb: 2048, most: 3 });
    expect(of("{ in: thread, memory: 64MiB }")).toEqual({ in: "thread", memoryMb: 64 });
  });

  it.each([
    ["threads", /TW104 .* expected process or thread, got "threads"/],
    ["{ in: thread, memory: 512 }", /TW104 .*/],
    [
      "{ in: thread, memory: 512MB }",
      /TW104 .* expected a size of at least 64MiB such as 512MiB or 2GiB, got "512MB"/,
    ],
    ["{ in: thread, memory: 63MiB }", /TW104 .* expected a size of at least 64MiB/],
    ["{ in: thread, most: 0 }", /TW104 .* expected at least 1, got 0/],
    ["{ memory: 512MiB }", /TW103 missing "in"/],
  ])("refuses %s", (isolate, problem) => {
    expect(problems(taskFile(`payload: {}\nisolate: ${isolate}`))).toEqual([expect.stringMatching(problem)]);
  });
});
