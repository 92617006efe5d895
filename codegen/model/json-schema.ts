/**
 * The subset of JSON Schema that taskweft supports, after normalisation. The loader rejects any other keyword
 * at its line, because a keyword that is not enforced would silently widen the contract.
 */

/** Formats that the emitted validators enforce. */
export const STRING_FORMATS = ["uuid", "email", "uri", "date", "date-time"] as const;
export type StringFormat = (typeof STRING_FORMATS)[number];

export type JsonPrimitive = string | number | boolean | null;
export type JsonValue = JsonPrimitive | readonly JsonValue[] | { readonly [key: string]: JsonValue };

interface Annotations {
  readonly description?: string;
  readonly deprecated?: boolean;
  /**
   * A payload field that must never be shown in clear (logs, CLI, dashboard). Written `x-sensitive: true`.
   */
  readonly sensitive?: boolean;
}

export type JsonSchemaNode = Annotations &
  (
    | { readonly kind: "any" }
    | { readonly kind: "null" }
    | { readonly kind: "boolean" }
    | {
        readonly kind: "number";
        readonly integer: boolean;
        readonly minimum?: number;
        readonly maximum?: number;
        readonly exclusiveMinimum?: number;
        readonly exclusiveMaximum?: number;
        readonly multipleOf?: number;
      }
    | {
        readonly kind: "string";
        readonly minLength?: number;
        readonly maxLength?: number;
        readonly pattern?: string;
        readonly format?: StringFormat;
      }
    /** `const` is an enum with one value. Values are primitives. */
    | { readonly kind: "enum"; readonly values: readonly JsonPrimitive[] }
    | {
        readonly kind: "array";
        readonly items: JsonSchemaNode;
        readonly minItems?: number;
        readonly maxItems?: number;
        readonly uniqueItems?: boolean;
      }
    | {
        readonly kind: "object";
        /** In source order. */
        readonly properties: readonly JsonSchemaProperty[];
        /**
         * `false`: no further keys (default of the short-hand). A node: further keys must match it. `true`:
         * any further keys.
         */
        readonly additional: boolean | JsonSchemaNode;
      }
    /**
     * `anyOf` and `oneOf`. `discriminator` names the key that distinguishes the branches, if every branch has
     * one.
     */
    | {
        readonly kind: "union";
        readonly exclusive: boolean;
        readonly branches: readonly JsonSchemaNode[];
        readonly discriminator?: string;
      }
    | { readonly kind: "intersection"; readonly branches: readonly JsonSchemaNode[] }
    | { readonly kind: "ref"; readonly name: string }
  );

export interface JsonSchemaProperty {
  readonly name: string;
  readonly required: boolean;
  readonly schema: JsonSchemaNode;
}

/** A schema with the named schemas that it refers to, sorted by name. */
export interface JsonSchema {
  readonly root: JsonSchemaNode;
  readonly definitions: readonly { readonly name: string; readonly schema: JsonSchemaNode }[];
}
