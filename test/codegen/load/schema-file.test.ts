import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  definitionFileJsonSchema,
  projectJsonSchema,
  renderJsonSchema,
} from "../../../codegen/model/definition-json-schema.js";
import { ALL_KEYWORDS } from "../../../codegen/load/payload/keywords.js";
import { DIAGNOSTIC_CODES } from "../../../codegen/model/diagnostic.js";
import { closest, editDistance } from "../../../codegen/load/did-you-mean.js";
import { formatDuration, MAX_DURATION_MS, parseDuration } from "../../../runtime/definition/index.js";
import { load, taskFile } from "./load.js";

const root = new URL("../../../", import.meta.url);

describe("tasks.schema.json", () => {
  it("is what the model emits", async () => {
    const written = await readFile(new URL("tasks.schema.json", root), "utf8");
    // Stale? Write renderJsonSchema(definitionFileJsonSchema()) to the file.
    expect(written).toBe(renderJsonSchema(definitionFileJsonSchema()));
  });

  const schema = definitionFileJsonSchema();
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);

  it("accepts what the loader accepts", async () => {
    const shop = await readFile(new URL("tasks/shop.yaml", root), "utf8");
    const texts = [
      shop,
      "version: 1",
      taskFile(
        "payload: { a: [string], b?: { c: uuid }, d: { enum: [x] } }\nresult: string\nretry: standard",
        "version: 1\nretryPolicies: { standard: {} }",
      ),
      taskFile(
        "payload: { a: string? }\ntimeout: 30s\nretention: { completed: 0 }\nerrors: { Busy: { retry: { after: 1s } } }",
      ),
    ];
    texts.push(
      taskFile(
        "payload: { type: object, description: An order., properties: { a: { type: string }, b: { enum: [x, y] } }, required: [a, b], additionalProperties: false }",
      ),
    );
    for (const text of texts) {
      expect(load(text).diagnostics).toEqual([]);
      expect({ accepted: validate(parse(text)), errors: validate.errors }).toEqual({
        accepted: true,
        errors: null,
      });
    }
  });

  it.each([
    "version: 2",
    "version: 1\nworkflows: { a: { input: {} } }",
    "version: 1\nqueues: { a: { weight: 0 } }",
    taskFile("queue: default"),
    taskFile("payload: {}\ntimeout: 30"),
    taskFile("payload: {}\ntimeot: 30s"),
    taskFile("payload: { a: [string, number] }"),
    taskFile("payload: 5"),
    "version: 1\nretryPolicies: { a: { backoff: { type: fixed } } }",
    "version: 1\ntasks: { 'A:b': { payload: {} } }",
  ])("refuses what the loader refuses: %j", (text) => {
    expect(load(text).project).toBeUndefined();
    expect(validate(parse(text))).toBe(false);
  });

  it("describes every key", () => {
    const bare: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      const { properties } = node as { properties?: Record<string, Record<string, unknown>> };
      for (const [name, property] of Object.entries(properties ?? {})) {
        const isRef =
          Object.keys(property).length === 0 ||
          "$ref" in property ||
          "allOf" in property ||
          "const" in property;
        if (!isRef && property["description"] === undefined) bare.push(`${path}.${name}`);
      }
      for (const [key, value] of Object.entries(node)) if (key !== "examples") visit(value, `${path}.${key}`);
    };
    visit(schema, "");
    expect(bare).toEqual([]);
  });

  it("offers the names of a project, and only those", () => {
    const project = projectJsonSchema({
      queues: ["low", "high"],
      retryPolicies: ["standard"],
      schemas: ["Money"],
    });
    const check = new Ajv({ strict: false }).compile(project);
    const file = (queue: string, retry: string) => ({
      version: 1,
      tasks: { a: { payload: { m: "Money" }, queue, retry } },
    });
    expect(check(file("high", "standard"))).toBe(true);
    expect(check(file("hihg", "standard"))).toBe(false);
    expect(check(file("high", "standrad"))).toBe(false);
    expect(JSON.stringify(project)).toContain('"Money?"');
    expect(JSON.stringify(definitionFileJsonSchema())).not.toContain('"Money?"');
  });
});

describe("durations", () => {
  it("say the same after printing, for every duration there is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it("are refused unless they are a number and a unit", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/u.test(text));
        expect(parseDuration(text)).toBeUndefined();
      }),
    );
  });
});

describe("did you mean", () => {
  it("counts insertions, deletions, replacements and swaps", () => {
    expect([editDistance("", "abc"), editDistance("abc", "acb"), editDistance("kitten", "sitting")]).toEqual([
      3, 1, 3,
    ]);
  });

  it("is symmetric and zero only for equal words", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });

  it("finds other spellings and stays silent about strangers", () => {
    expect(closest("max_retries", ["maxRetries", "backoff"])).toBe("maxRetries");
    expect(closest("critcal", ["critical", "default"])).toBe("critical");
    expect(closest("zebra", ["critical", "default"])).toBeUndefined();
  });
});

describe("the documentation", () => {
  it("has an example that loads without problems, and lists every code and every keyword", async () => {
    const page = await readFile(new URL("docs/definition-files.md", root), "utf8");
    const [, example = ""] = /```yaml\n([\s\S]*?)```/u.exec(page) ?? [];
    expect(load(example).diagnostics).toEqual([]);
    const tables = page + (await readFile(new URL("docs/codegen.md", root), "utf8"));
    for (const [code, meaning] of Object.entries(DIAGNOSTIC_CODES)) {
      expect(tables.replaceAll(/\| (?:error|warning) +\|/gu, "|")).toContain(`| ${code} | ${meaning}`);
    }
    expect(ALL_KEYWORDS.filter((keyword) => !page.includes(`\`${keyword}\``))).toEqual([]);
  });
});
