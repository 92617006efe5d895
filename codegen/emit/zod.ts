/**
 * Prints zod source for a schema. It must accept exactly what the JSON Schema accepts (tests compare it with
 * ajv), with one intended difference: the loose view, used by workers, ignores unknown keys.
 */
import type { JsonSchemaNode } from "../model/json-schema.js";
import { type Layout, list } from "./layout.js";
import { subtrees } from "./schema-walk.js";
import { literal, propertyKey } from "./source-text.js";

const VIEWS = ["strict", "loose"] as const;
export type View = (typeof VIEWS)[number];

export interface ZodScope {
  readonly view: View;
  /** The constant with the validator of a definition. */
  readonly constantOf: (definition: string) => string;
}

export function zodLayout(node: JsonSchemaNode, scope: ZodScope): Layout {
  switch (node.kind) {
    case "any":
      return anyLayout();
    case "null":
      return "z.null()";
    case "boolean":
      return "z.boolean()";
    case "number":
      return numberLayout(node);
    case "string":
      return stringLayout(node);
    case "enum":
      return enumLayout(node.values);
    case "array":
      return arrayLayout(node, scope);
    case "object":
      return isOpen(node) ? plainLayout(objectLayout(node, scope), scope) : objectLayout(node, scope);
    case "union":
      return unionLayout(node, scope);
    case "intersection":
      return intersectionLayout(node.branches, scope);
    case "ref":
      return scope.constantOf(node.name);
  }
}

/** Rejects what JSON leaves out: the producer would see the value, the worker would not. */
function anyLayout(): Layout {
  const test = '(value) => !["function", "symbol", "undefined"].includes(typeof value)';
  return ["z.unknown()", list(".refine(", [test, literal("Invalid input: expected a JSON value")], ")")];
}

function numberLayout(node: JsonSchemaNode & { kind: "number" }): Layout {
  return [
    node.integer ? "z.int()" : "z.number()",
    call("gte", node.minimum),
    call("gt", node.exclusiveMinimum),
    call("lte", node.maximum),
    call("lt", node.exclusiveMaximum),
    call("multipleOf", node.multipleOf),
  ];
}

function call(method: string, argument: number | undefined): string {
  return argument === undefined ? "" : `.${method}(${literal(argument)})`;
}

/**
 * zod's own `uuid` rejects ids without a version digit and its `url` trims, so these two are defined here.
 */
const FORMATS = {
  date: "z.iso.date()",
  "date-time": "z.iso.datetime({ offset: true })",
  email: "z.email()",
  uri: 'z.string().regex(new RegExp("^\\\\S+$", "u"), "Invalid URL")',
  uuid: 'z.guid("Invalid UUID")',
} as const;

function stringLayout(node: JsonSchemaNode & { kind: "string" }): Layout {
  const most = node.maxLength === undefined ? "" : atMost(node.maxLength, node.pattern !== undefined);
  return [
    node.format === undefined ? "z.string()" : FORMATS[node.format],
    // The length is checked first and ends the checks: on an unbounded text, a pattern may take practically
    // for ever.
    node.pattern === undefined ? "" : most,
    node.pattern === undefined ? "" : `.regex(new RegExp(${literal(node.pattern)}, "u"))`,
    node.minLength === undefined ? "" : atLeast(node.minLength),
    node.pattern === undefined ? most : "",
    node.format === "uri" ? ".pipe(z.url())" : "",
  ];
}

/**
 * JSON Schema counts code points, zod UTF-16 units: they agree up to 1, and for texts without surrogate
 * pairs.
 */
function atLeast(length: number): Layout {
  if (length <= 1) return `.min(${literal(length)})`;
  const test = `(text) => text.length >= ${length * 2} || [...text].length >= ${length}`;
  return list(".refine(", [test, literal(`Too small: expected string to have >=${length} characters`)], ")");
}

/** `ends`: a longer text is not checked further. */
function atMost(length: number, ends: boolean): Layout {
  const test = `(text) => text.length <= ${length} || (text.length <= ${length * 2} && [...text].length <= ${length})`;
  const message = literal(`Too big: expected string to have <=${length} characters`);
  return list(".refine(", [test, ends ? `{ error: ${message}, abort: true }` : message], ")");
}

function enumLayout(values: readonly (string | number | boolean | null)[]): Layout {
  const distinct = [...new Set(values)];
  const [only] = distinct;
  if (distinct.length === 1 && only !== undefined) return `z.literal(${literal(only)})`;
  return ["z.literal(", list("[", distinct.map(literal), "]"), ")"];
}

function arrayLayout(node: JsonSchemaNode & { kind: "array" }, scope: ZodScope): Layout {
  return [
    list("z.array(", [zodLayout(node.items, scope)], ")"),
    call("min", node.minItems),
    call("max", node.maxItems),
    node.uniqueItems === true ? uniqueLayout(node.items) : "",
  ];
}

const SCALARS: ReadonlySet<JsonSchemaNode["kind"]> = new Set(["boolean", "enum", "null", "number", "string"]);

function uniqueLayout(items: JsonSchemaNode): Layout {
  const values = SCALARS.has(items.kind) ? "items" : "items.map(canonicalJson)";
  const test = `(items) => new Set(${values}).size === items.length`;
  return list(".refine(", [test, literal("Items must be unique")], ")");
}

/** Helpers that a module must declare for its validators, by their names in the emitted code. */
const SUPPORT = {
  /**
   * Each branch checks the whole value. zod's own intersection accepts keys that one closed branch forbids,
   * and its pipe loses the first schema's verdict if the second is a union.
   */
  allOf: `const allOf = (...branches: z.ZodType[]): z.ZodType =>
  z.unknown().superRefine((value, context) => {
    for (const branch of branches) {
      const issues = branch.safeParse(value).error?.issues ?? [];
      for (const { code: _code, ...issue } of issues) context.addIssue({ ...issue, code: "custom" });
    }
  });
`,
  /** The same text for equal items, whatever the order of their keys. */
  canonicalJson: `const canonicalJson = (item: unknown): string =>
  JSON.stringify(item, (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
`,
  /**
   * A Date, a Map or an Error would be stored as {}, and zod drops a key __proto__ without looking at its
   * value. Objects from another realm count as plain too.
   */
  plainObject: `const plainObject = (schema: z.ZodType): z.ZodType =>
  z.unknown().refine((value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return true;
    const prototype: unknown = Object.getPrototypeOf(value);
    const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
    return isPlain && !Object.hasOwn(value, "__proto__");
  }, {
    error: ({ input }) => {
      const prototype = Object.getPrototypeOf(input) as { constructor?: { name?: string } } | null;
      const name = prototype?.constructor?.name ?? "Object";
      return \`Invalid input: expected a plain object without a key __proto__, received \${name}\`;
    },
  }).pipe(schema);
`,
} as const;

export type Support = keyof typeof SUPPORT;

/** The helpers that the validators of these trees need. */
export function supportOf(nodes: readonly JsonSchemaNode[]): readonly Support[] {
  const all = nodes.flatMap(subtrees);
  const needed = {
    allOf: all.some((node) => node.kind === "intersection"),
    canonicalJson: all.some(
      (node) => node.kind === "array" && node.uniqueItems === true && !SCALARS.has(node.items.kind),
    ),
    plainObject: all.some(isOpen),
  };
  return (["allOf", "canonicalJson", "plainObject"] as const).filter((name) => needed[name]);
}

/** Each declaration once, sorted by name. */
export function supportCode(needed: readonly Support[]): readonly string[] {
  return [...new Set(needed)].toSorted().map((name) => SUPPORT[name]);
}

type ObjectNode = JsonSchemaNode & { kind: "object" };

/** A closed object needs no check for being plain: its missing or unknown fields are reported. */
function isOpen(node: JsonSchemaNode): boolean {
  return node.kind === "object" && node.additional !== false;
}

/**
 * Only the strict view checks for plain objects: workers read payloads from JSON, where every object is
 * plain.
 */
function plainLayout(inner: Layout, { view }: ZodScope): Layout {
  return view === "strict" ? list("plainObject(", [inner], ")") : inner;
}

function objectLayout(node: ObjectNode, scope: ZodScope): Layout {
  const fields = node.properties.map(({ name, required, schema }): Layout => {
    return [`${propertyKey(name)}: `, zodLayout(schema, scope), required ? "" : ".optional()"];
  });
  const shape = list("{", fields, "}");
  if (node.additional === true) return ["z.looseObject(", shape, ")"];
  if (node.additional !== false) {
    return ["z.object(", shape, ")", list(".catchall(", [zodLayout(node.additional, scope)], ")")];
  }
  return [scope.view === "strict" ? "z.strictObject(" : "z.looseObject(", shape, ")"];
}

function unionLayout(node: JsonSchemaNode & { kind: "union" }, scope: ZodScope): Layout {
  const { branches, discriminator } = node;
  const others = branches.filter((branch) => branch.kind !== "null");
  const [only] = others;
  // For one type or null, `nullable` makes zod name the expected type instead of "Invalid input".
  if (others.length === 1 && branches.length === 2 && only !== undefined && !acceptsNull(only)) {
    return [zodLayout(only, scope), ".nullable()"];
  }
  const objects = branches.filter((branch): branch is ObjectNode => branch.kind === "object");
  if (discriminator !== undefined && objects.length === branches.length) {
    const options = list(
      "[",
      objects.map((branch) => objectLayout(branch, scope)),
      "]",
    );
    const union = list("z.discriminatedUnion(", [literal(discriminator), options], ")");
    return objects.some(isOpen) ? plainLayout(union, scope) : union;
  }
  // Loose branches may overlap although the strict ones do not, so only the producer checks "exactly one".
  const kind =
    node.exclusive && discriminator === undefined && scope.view === "strict" ? "z.xor(" : "z.union(";
  return [
    kind,
    list(
      "[",
      branches.map((branch) => zodLayout(branch, scope)),
      "]",
    ),
    ")",
  ];
}

function acceptsNull(node: JsonSchemaNode): boolean {
  return !["array", "boolean", "number", "object", "string"].includes(node.kind);
}

function intersectionLayout(branches: readonly JsonSchemaNode[], scope: ZodScope): Layout {
  return list(
    "allOf(",
    branches.map((branch) => zodLayout(branch, scope)),
    ")",
  );
}
