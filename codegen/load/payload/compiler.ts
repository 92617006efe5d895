/** What the parts of the payload compiler know of each other. */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import type { Reporter } from "../reporter.js";
import type { SourceNode, SourceScalar } from "../source.js";

/** Where a schema stands: what `#` and relative paths in it mean. */
export interface Scope {
  /** Root of the schema document: `#/$defs/Name` is looked up here. */
  readonly document: SourceNode;
  /** Relative to the project. */
  readonly file: string;
  /** Unique among documents; begins the identity of what `#/...` names. */
  readonly key: string;
  /** Begins the names of the document's own definitions, so that two documents may both define `Address`. */
  readonly prefix: string;
  /** In definition files a word may be a name of `schemas`. */
  readonly inDefinitionFile: boolean;
}

export interface Field {
  readonly schema: JsonSchemaNode;
  readonly optional: boolean;
}

export interface Compiler {
  readonly reporter: Reporter;
  /** Short-hand: a word, a list, a map of fields, or details in JSON Schema keywords. */
  field(node: SourceNode, scope: Scope): Field;
  /** JSON Schema proper: a map of keywords, or `true`. */
  schema(node: SourceNode, scope: Scope): JsonSchemaNode;
  /** `$ref`. */
  reference(node: SourceScalar, text: string, scope: Scope): JsonSchemaNode;
  /** A name of `schemas`, or `undefined` when there is none. */
  named(name: string): JsonSchemaNode | undefined;
  readonly schemaNames: readonly string[];
  /** Some definition file could not be parsed, so that an unknown name may be declared there. */
  readonly isIncomplete: boolean;
}

/** Stands for a schema whose problem was reported: later checks let everything about it pass. Compared by identity. */
export const UNKNOWN_SCHEMA: JsonSchemaNode = Object.freeze({ kind: "any" });
