/**
 * Builds a validator for a schema at run time. It must agree with a producer's generated validator
 * (emit/zod.ts, the strict view); a test compares the two.
 */
import { z } from "zod";
import type { JsonSchemaNode } from "../model/json-schema.js";

type Resolve = (node: JsonSchemaNode) => JsonSchemaNode | undefined;

export function payloadValidator(root: JsonSchemaNode, resolve: Resolve): z.ZodType {
  const made = new Map<JsonSchemaNode, z.ZodType>();
  const validatorOf = (node: JsonSchemaNode): z.ZodType => {
    let validator = made.get(node);
    if (validator === undefined) made.set(node, (validator = make(node, validatorOf, resolve)));
    return validator;
  };
  return validatorOf(root);
}

function make(
  node: JsonSchemaNode,
  validatorOf: (node: JsonSchemaNode) => z.ZodType,
  resolve: Resolve,
): z.ZodType {
  switch (node.kind) {
    case "any":
      return z.unknown();
    case "null":
      return z.null();
    case "boolean":
      return z.boolean();
    case "number":
      return numberValidator(node);
    case "string":
      return stringValidator(node);
    case "enum":
      return z.literal([...node.values]);
    case "array":
      return arrayValidator(node, validatorOf(node.items));
    case "object":
      return objectValidator(node, validatorOf);
    case "union":
      return unionValidator(node, node.branches.map(validatorOf));
    case "intersection":
      return allOf(node.branches.map(validatorOf));
    case "ref":
      // Lazy, because a schema may contain itself.
      return z.lazy(() => validatorOf(resolve(node) ?? { kind: "any" }));
  }
}

function numberValidator(node: JsonSchemaNode & { kind: "number" }): z.ZodType {
  let validator: z.ZodNumber = node.integer ? z.int() : z.number();
  if (node.minimum !== undefined) validator = validator.gte(node.minimum);
  if (node.exclusiveMinimum !== undefined) validator = validator.gt(node.exclusiveMinimum);
  if (node.maximum !== undefined) validator = validator.lte(node.maximum);
  if (node.exclusiveMaximum !== undefined) validator = validator.lt(node.exclusiveMaximum);
  return node.multipleOf === undefined ? validator : validator.multipleOf(node.multipleOf);
}

const FORMATS = {
  date: () => z.iso.date(),
  "date-time": () => z.iso.datetime({ offset: true }),
  email: () => z.email(),
  uri: () => z.string().regex(/^\S+$/u, "Invalid URL").pipe(z.url()),
  uuid: () => z.guid("Invalid UUID"),
} as const;

function stringValidator(node: JsonSchemaNode & { kind: "string" }): z.ZodType {
  const { format, pattern, minLength = 0, maxLength = Infinity } = node;
  const base: z.ZodType = format === undefined ? z.string() : FORMATS[format]();
  const regex = new RegExp(pattern ?? "", "u");
  return (
    base
      // First, and a longer text is not checked further: a pattern may take practically for ever on it.
      .refine((text) => lengthOf(text as string) <= maxLength, {
        error: `Too big: expected string to have <=${maxLength} characters`,
        abort: pattern !== undefined,
      })
      .refine((text) => regex.test(text as string), `Invalid string: must match pattern ${regex}`)
      .refine(
        (text) => lengthOf(text as string) >= minLength,
        `Too small: expected string to have >=${minLength} characters`,
      )
  );
}

/** In code points, as JSON Schema counts. */
function lengthOf(text: string): number {
  return Array.from(text).length;
}

function arrayValidator(node: JsonSchemaNode & { kind: "array" }, items: z.ZodType): z.ZodType {
  let validator = z.array(items);
  if (node.minItems !== undefined) validator = validator.min(node.minItems);
  if (node.maxItems !== undefined) validator = validator.max(node.maxItems);
  if (node.uniqueItems !== true) return validator;
  const isUnique = (list: readonly unknown[]): boolean => new Set(list.map(canonical)).size === list.length;
  return validator.refine(isUnique, "Items must be unique");
}

/** The same text for equal values, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function objectValidator(
  node: JsonSchemaNode & { kind: "object" },
  validatorOf: (node: JsonSchemaNode) => z.ZodType,
): z.ZodType {
  const shape = Object.fromEntries(
    node.properties.map(({ name, required, schema }) => [
      name,
      required ? validatorOf(schema) : validatorOf(schema).optional(),
    ]),
  );
  if (node.additional === true) return z.looseObject(shape);
  if (node.additional === false) return z.strictObject(shape);
  return z.object(shape).catchall(validatorOf(node.additional));
}

function unionValidator(
  { branches, discriminator, exclusive }: JsonSchemaNode & { kind: "union" },
  validators: readonly z.ZodType[],
): z.ZodType {
  if (discriminator !== undefined && branches.every((branch) => branch.kind === "object")) {
    return z.discriminatedUnion(discriminator, validators as never);
  }
  return exclusive && discriminator === undefined ? z.xor([...validators]) : z.union([...validators]);
}

/** Each branch checks the whole value. */
function allOf(branches: readonly z.ZodType[]): z.ZodType {
  const [only] = branches;
  if (branches.length === 1 && only !== undefined) return only;
  return z.unknown().superRefine((value, context) => {
    for (const branch of branches) {
      const issues = branch.safeParse(value).error?.issues ?? [];
      for (const { code: _code, ...issue } of issues) context.addIssue({ ...issue, code: "custom" });
    }
  });
}
