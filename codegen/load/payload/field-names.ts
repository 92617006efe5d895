/** Names that a field cannot have. */
import { quote } from "../../model/quote.js";
import type { Origin } from "../source.js";
import type { Compiler } from "./compiler.js";

/**
 * Every JavaScript object has these properties, so a validator could not tell a missing field from a present
 * one.
 */
export function checkFieldName({ reporter }: Pick<Compiler, "reporter">, name: string, at: Origin): void {
  if (!(name in Object.prototype)) return;
  const message = `expected a field name that not every JavaScript object has, got ${quote(name)}`;
  reporter.report({ code: "TW302", at, message, hint: "rename the field" });
}
