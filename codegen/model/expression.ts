/**
 * The tree of a `${{ }}` expression: paths, literals and `??`. There are no calls and no operators, so an expression
 * can be checked against a schema and printed as TypeScript, and nothing is ever evaluated by codegen.
 */
export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  /** `payload.lines[0].sku` -> root `payload`, segments `["lines", 0, "sku"]`. */
  | { readonly kind: "path"; readonly root: string; readonly segments: readonly (string | number)[] }
  /** `a ?? b ?? c`, two or more operands. */
  | { readonly kind: "coalesce"; readonly operands: readonly Expression[] };
