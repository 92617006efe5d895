/**
 * Payloads, results and named schemas. The model accepts any text, list or map here, and
 * codegen/load/payload/ reports exactly what is wrong; in tasks.schema.json the words only serve completion.
 */
import { z } from "zod";

/** The short-hand words and the JSON Schema of each. */
export const TYPE_WORDS = {
  any: {},
  boolean: { type: "boolean" },
  date: { type: "string", format: "date" },
  "date-time": { type: "string", format: "date-time" },
  email: { type: "string", format: "email" },
  integer: { type: "integer" },
  number: { type: "number" },
  object: { type: "object" },
  string: { type: "string" },
  url: { type: "string", format: "uri" },
  uuid: { type: "string", format: "uuid" },
} as const;
export type TypeWord = keyof typeof TYPE_WORDS;
export const TYPE_WORD_LIST = Object.keys(TYPE_WORDS) as TypeWord[];

/** Names of `schemas` are capitalised, so that none can be mistaken for a type word or a field. */
export const SCHEMA_NAME_PATTERN = /^[A-Z][A-Za-z0-9]*$/;

const words = TYPE_WORD_LIST.flatMap((word) => [word, `${word}?`]);

const fieldDefinition = z
  .custom<unknown>(() => true)
  .meta({
    id: "Field",
    description:
      "A type word (string, integer, uuid, ...), a name from `schemas`, [item] for a list, a map of fields, or JSON Schema. A trailing ? makes it optional.",
    anyOf: [
      { enum: words },
      { type: "string", pattern: "^[A-Za-z][A-Za-z0-9-]*(\\[\\])*\\??$" },
      { type: "array", minItems: 1, maxItems: 1, items: { $ref: "#/definitions/Field" } },
      { type: "object" },
    ],
  });

export const schemaDefinition = fieldDefinition;

/**
 * Keywords of a payload in JSON Schema, whose values are not fields. A payload with a field of such a name is
 * not checked by editors.
 */
const ROOT_KEYWORDS = [
  "$comment",
  "$defs",
  "$id",
  "$ref",
  "$schema",
  "additionalProperties",
  "allOf",
  "anyOf",
  "definitions",
  "deprecated",
  "description",
  "examples",
  "oneOf",
  "properties",
  "required",
  "title",
  "x-sensitive",
];

export const payloadDefinition = z
  .custom<unknown>((value) => value !== undefined)
  .meta({
    anyOf: [
      { type: "string" },
      {
        type: "object",
        properties: Object.fromEntries(ROOT_KEYWORDS.map((keyword) => [keyword, {}])),
        additionalProperties: { $ref: "#/definitions/Field" },
      },
    ],
  });
