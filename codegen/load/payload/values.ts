/**
 * Reads the values of keywords. Each reader reports a value of the wrong type and then treats the keyword as
 * absent.
 */
import { quote } from "../../model/quote.js";
import { describeNode, findEntry, type SourceEntry, type SourceMap } from "../source.js";
import type { Compiler } from "./compiler.js";

function wrong(compiler: Compiler, entry: SourceEntry, expected: string): undefined {
  const message = `${entry.key}: expected ${expected}, got ${describeNode(entry.value, quote)}`;
  compiler.reporter.report({ code: "TW120", at: entry.value.origin, message });
  return undefined;
}

export function readText(compiler: Compiler, node: SourceMap, key: string): string | undefined {
  const entry = findEntry(node, key);
  if (entry === undefined) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  return typeof value === "string" ? value : wrong(compiler, entry, "text");
}

export function readFlag(compiler: Compiler, node: SourceMap, key: string): boolean | undefined {
  const entry = findEntry(node, key);
  if (entry === undefined) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  return typeof value === "boolean" ? value : wrong(compiler, entry, "true or false");
}

export function readNumber(compiler: Compiler, node: SourceMap, key: string): number | undefined {
  const entry = findEntry(node, key);
  if (entry === undefined) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  return typeof value === "number" ? value : wrong(compiler, entry, "a number");
}

/** A length or a number of entries. */
export function readCount(compiler: Compiler, node: SourceMap, key: string): number | undefined {
  const entry = findEntry(node, key);
  if (entry === undefined) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  const isCount = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  return isCount ? value : wrong(compiler, entry, "a whole number from 0");
}
