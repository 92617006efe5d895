import { describe, expect, it } from "vitest";
import { recordHead } from "../../../runtime/protocol/index.js";
import { readClaims } from "../../../runtime/worker/claims/claim.js";

describe("claimed texts", () => {
  const sound = `${recordHead("mail:send", "default", "0a1b2c3d", undefined)}{}]`;

  it.each([
    ["null", "its record is null"],
    ["not json", "its record is not JSON"],
    ["{}", "its record has version undefined, this worker reads 1"],
  ])("%s cannot be read", (text, reason) => {
    const { claims, holes, unreadable } = readClaims(
      ["bad", "good", "gone", "deleted"],
      [text, sound, null, "[0]"],
      new Map(),
    );
    expect(claims.map(({ id }) => id)).toEqual(["good"]);
    expect(holes.map(({ id }) => id)).toEqual(["gone", "deleted"]);
    expect(unreadable).toEqual([{ id: "bad", reason }]);
  });
});
