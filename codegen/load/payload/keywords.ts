/** The supported JSON Schema keywords, and what to write instead of the others. */

/** Accepted and ignored, because they do not constrain values. */
export const ANNOTATIONS: ReadonlySet<string> = new Set(["$comment", "$id", "$schema", "examples", "title"]);

/** Kept as documentation; allowed in every schema. */
export const DOCUMENTATION: ReadonlySet<string> = new Set(["deprecated", "description", "x-sensitive"]);

/** Contain named schemas for `$ref`. */
export const DEFINITION_KEYS: ReadonlySet<string> = new Set(["$defs", "definitions"]);

export const COMBINERS = ["allOf", "anyOf", "oneOf"] as const;

export const JSON_TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"] as const;
export type JsonType = (typeof JSON_TYPES)[number];

export const NUMBER_KEYWORDS = [
  "exclusiveMaximum",
  "exclusiveMinimum",
  "maximum",
  "minimum",
  "multipleOf",
] as const;

/** Keywords by the type that they constrain. */
export const TYPE_KEYWORDS: Readonly<Record<JsonType, readonly string[]>> = {
  array: ["items", "maxItems", "minItems", "uniqueItems"],
  boolean: [],
  integer: NUMBER_KEYWORDS,
  null: [],
  number: NUMBER_KEYWORDS,
  object: ["additionalProperties", "properties", "required"],
  string: ["format", "maxLength", "minLength", "pattern"],
};

/** Every keyword that constrains or references something. */
export const CONSTRAINTS: readonly string[] = [
  ...new Set(["$ref", ...COMBINERS, "const", "enum", "type", ...Object.values(TYPE_KEYWORDS).flat()]),
].sort();

const KNOWN: ReadonlySet<string> = new Set([
  ...CONSTRAINTS,
  ...ANNOTATIONS,
  ...DOCUMENTATION,
  ...DEFINITION_KEYS,
]);

export function isKeyword(word: string): boolean {
  return KNOWN.has(word);
}

export const ALL_KEYWORDS: readonly string[] = [...KNOWN].sort();

/**
 * Keywords of JSON Schema or OpenAPI that the generated validators do not enforce, each with an alternative.
 */
export const REFUSED_KEYWORDS: ReadonlyMap<string, string> = new Map([
  ["additionalItems", "use a list with one kind of item"],
  ["contains", "check it in the handler"],
  ["contentEncoding", "use type: string, and decode it in the handler"],
  ["contentMediaType", "use type: string, and decode it in the handler"],
  ["default", "defaults are not applied; make the field optional and use ?? in the handler"],
  ["dependencies", "use oneOf with one branch a case"],
  ["dependentRequired", "use oneOf with one branch a case"],
  ["dependentSchemas", "use oneOf with one branch a case"],
  ["discriminator", "oneOf finds the telling field by itself"],
  ["else", "use oneOf with one branch a case"],
  ["if", "use oneOf with one branch a case"],
  ["maxProperties", "check it in the handler"],
  ["minProperties", "check it in the handler"],
  ["not", "list what is allowed instead"],
  ["nullable", 'write type: [string, "null"]'],
  ["optional", "put ? at the end of the key or the type word"],
  ["patternProperties", "use additionalProperties"],
  ["prefixItems", "use an object with a field a position"],
  ["propertyNames", "use additionalProperties"],
  ["readOnly", "delete it: it enforces nothing"],
  ["then", "use oneOf with one branch a case"],
  ["unevaluatedItems", "use items"],
  ["unevaluatedProperties", "use additionalProperties"],
  ["writeOnly", "delete it: it enforces nothing"],
]);
