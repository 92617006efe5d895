/** The interface between the parts of the payload compiler. */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import type { Reporter } from "../reporter.js";
import type { Origin, SourceNode, SourceScalar } from "../source.js";

/** The context of a schema: it determines what `#` and relative paths mean. */
export interface Scope {
  /** Root of the schema document: `#/$defs/Name` is looked up here. */
  readonly document: SourceNode;
  /** Relative to the project. */
  readonly file: string;
  /** Unique per document; prefix of the keys of its `#/...` definitions. */
  readonly key: string;
  /**
   * Prefix of the names of the document's own definitions, so that two documents may both define `Address`.
   */
  readonly prefix: string;
  /** In definition files, a word may be a name from `schemas`. */
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
  /** Full JSON Schema: a map of keywords, or `true`. */
  schema(node: SourceNode, scope: Scope): JsonSchemaNode;
  /** `$ref`. */
  reference(node: SourceScalar, text: string, scope: Scope): JsonSchemaNode;
  /** A schema named in `schemas`, or `undefined`. */
  named(name: string): JsonSchemaNode | undefined;
  /** Has the branches of an `allOf` compared when all names are known. */
  combined(branches: readonly JsonSchemaNode[], at: Origin): void;
  readonly schemaNames: readonly string[];
  /** A definition file could not be parsed, so an unknown name may be declared there. */
  readonly isIncomplete: boolean;
}

/**
 * Replaces a schema whose problem was reported; later checks accept everything about it. Compared by
 * identity.
 */
export const UNKNOWN_SCHEMA: JsonSchemaNode = Object.freeze({ kind: "any" });
