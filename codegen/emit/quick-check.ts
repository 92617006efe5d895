/**
 * Prints the quick check of a schema: one expression that is true only for values which the strict zod schema
 * accepts without changing them. So most values never meet zod, which takes four to thirteen times as long. A
 * quick check need not know all that is valid, and gives no reasons: what it does not accept, zod decides.
 */
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";
import type { Layout } from "./layout.js";
import { reachedDefinitions, subtrees } from "./schema-walk.js";
import { identifier, literal, lowerFirst, propertyAccess } from "./source-text.js";
import type { TypeNames } from "./type-names.js";

const WIDTH = 90;
/** More values than this are looked up instead of compared one by one. */
const MOST_COMPARED = 4;

/** The parts of the quick check of a schema in generated code; all empty where a schema has none. */
export interface Checks {
  /** `payloadFits: (value) => ...` */
  readonly field: readonly Layout[];
  /** Those of the definitions that the root reaches, by name. */
  readonly constants: readonly (readonly [name: string, text: string])[];
  /** What all this imports. */
  readonly helpers: readonly string[];
}

/** The constant with the quick check of a definition. */
type ConstantOf = (definition: string) => string;

export function checksOf(field: string, schema: JsonSchema, names: TypeNames): Checks {
  const reached = reachedDefinitions(schema);
  const trees = [schema.root, ...reached.map((definition) => definition.schema)];
  if (!trees.flatMap(subtrees).every(isQuick)) return { field: [], constants: [], helpers: [] };
  const constantOf = (definition: string): string =>
    identifier(`${lowerFirst(names.resolve(schema, definition))}Fits`);
  const check = functionOf("value", schema.root, constantOf);
  const constants = reached.map(({ name, schema: node }) => {
    const constant = constantOf(name);
    return [constant, `const ${constant}: QuickCheck = ${functionOf("value", node, constantOf)};\n`] as const;
  });
  return {
    field: [`${field}: ${check}`],
    constants,
    helpers: [
      ...(constants.length > 0 ? ["type QuickCheck"] : []),
      ...([check, ...constants.map(([, text]) => text)].some(callsHelper) ? ["fit"] : []),
    ],
  };
}

/** Neither in a text nor as a field. */
function callsHelper(code: string): boolean {
  return /(?<![\w$.])fit\./u.test(code.replaceAll(/"(?:[^"\\]|\\.)*"/gu, ""));
}

/** Others would repeat computations of zod, or have a field `__proto__`, which no access reads. */
function isQuick(node: JsonSchemaNode): boolean {
  switch (node.kind) {
    case "number":
      return node.multipleOf === undefined;
    case "string":
      return node.format !== "uri";
    case "array":
      return node.uniqueItems !== true;
    case "object":
      return (
        node.properties.length === 0 ||
        (typeof node.additional === "boolean" && node.properties.every(({ name }) => name !== "__proto__"))
      );
    case "union":
      return !node.exclusive || node.discriminator !== undefined;
    case "any":
    case "boolean":
    case "enum":
    case "intersection":
    case "null":
    case "ref":
      return true;
  }
}

function functionOf(parameter: string, node: JsonSchemaNode, constantOf: ConstantOf): string {
  const body = allOf(tests(node, parameter, constantOf));
  return body.includes("\n")
    ? `(${parameter}) =>\n  ${body.replaceAll("\n", "\n  ")}`
    : `(${parameter}) => ${body}`;
}

/** Expressions that must all be true. */
function tests(node: JsonSchemaNode, value: string, constantOf: ConstantOf): string[] {
  switch (node.kind) {
    case "any":
      return [`fit.json(${value})`];
    case "null":
      return [`${value} === null`];
    case "boolean":
      return [`typeof ${value} === "boolean"`];
    case "number":
      return numberTests(node, value);
    case "string":
      return stringTests(node, value);
    case "enum":
      return [enumTest(node.values, value)];
    case "array":
      return arrayTests(node, value, constantOf);
    case "object":
      return objectTests(node, value, constantOf);
    case "union":
      return [anyOf(node.branches.map((branch) => allOf(tests(branch, value, constantOf))))];
    case "intersection":
      return node.branches.flatMap((branch) => tests(branch, value, constantOf));
    case "ref":
      return [`${constantOf(node.name)}(${value})`];
  }
}

function numberTests(node: JsonSchemaNode & { kind: "number" }, value: string): string[] {
  const compare = (operator: string, bound: number | undefined) =>
    bound === undefined ? [] : [`${value} ${operator} ${literal(bound)}`];
  return [
    `Number.${node.integer ? "isSafeInteger" : "isFinite"}(${value})`,
    ...compare(">=", node.minimum),
    ...compare(">", node.exclusiveMinimum),
    ...compare("<=", node.maximum),
    ...compare("<", node.exclusiveMaximum),
  ];
}

const FORMATS = { date: "date", "date-time": "dateTime", email: "email", uuid: "uuid" } as const;

/** The length comes first: on an unbounded text, a pattern may take practically for ever. */
function stringTests(node: JsonSchemaNode & { kind: "string" }, value: string): string[] {
  const { format, minLength, maxLength, pattern } = node;
  if (format === "uri") throw new Error("a URL has no quick check");
  const call = (name: string, argument: number | string | undefined) =>
    argument === undefined ? [] : [`fit.${name}(${value}, ${literal(argument)})`];
  return [
    format === undefined ? `typeof ${value} === "string"` : `fit.${FORMATS[format]}(${value})`,
    ...call("atLeast", minLength),
    ...call("atMost", maxLength),
    ...call("pattern", pattern),
  ];
}

function enumTest(values: readonly (string | number | boolean | null)[], value: string): string {
  if (values.length > MOST_COMPARED) return `fit.oneOf(${value}, ${literal(values)})`;
  return anyOf(values.map((one) => `${value} === ${literal(one)}`));
}

function arrayTests(
  { items, minItems, maxItems }: JsonSchemaNode & { kind: "array" },
  value: string,
  constantOf: ConstantOf,
): string[] {
  return [
    `fit.list(${value}, ${functionOf("item", items, constantOf)})`,
    ...(minItems === undefined ? [] : [`${value}.length >= ${literal(minItems)}`]),
    ...(maxItems === undefined ? [] : [`${value}.length <= ${literal(maxItems)}`]),
  ];
}

function objectTests(
  { additional, properties }: JsonSchemaNode & { kind: "object" },
  value: string,
  constantOf: ConstantOf,
): string[] {
  if (typeof additional !== "boolean") {
    return [`fit.map(${value}, ${functionOf("item", additional, constantOf)})`];
  }
  // Counted before it is known that there is an object.
  const optional = properties
    .filter(({ required }) => !required)
    .map(({ name }) => `fit.given(${value}${propertyAccess(name, true)})`);
  const count = [String(properties.length - optional.length), ...optional].join(" + ");
  const fields = properties.flatMap(({ name, required, schema }) => {
    const field = `${value}${propertyAccess(name, false)}`;
    const inner = tests(schema, field, constantOf);
    return required ? inner : [anyOf([`${field} === undefined`, allOf(inner)])];
  });
  return [additional ? `fit.open(${value})` : `fit.closed(${value}, ${count})`, ...fields];
}

function allOf(expressions: readonly string[]): string {
  const line = expressions.join(" && ");
  return line.length <= WIDTH && !line.includes("\n") ? line : expressions.join(" &&\n");
}

function anyOf(expressions: readonly string[]): string {
  const operands = expressions.map((one) => (one.includes(" &&") ? `(${one})` : one));
  return operands.length === 1 ? operands.join("") : `(${operands.join(" || ")})`;
}
