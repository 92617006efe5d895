/**
 * Checks `waitsFor` of a task: the fields by which an emit finds waiting jobs must be present in every event,
 * and be scalars.
 */
import type { JsonSchemaNode } from "../model/json-schema.js";
import { quote } from "../model/quote.js";
import type { CheckedEvent } from "./check-observers.js";
import { didYouMean } from "./did-you-mean.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import { entriesOf, findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";

const PLAIN: ReadonlySet<string> = new Set(["boolean", "enum", "number", "string"]);

export function checkWaitsFor(
  tasks: ReadonlyMap<string, SourceEntry>,
  events: ReadonlyMap<string, CheckedEvent>,
  library: SchemaLibrary,
  reporter: Reporter,
): void {
  for (const { key, value } of tasks.values()) {
    const waits = findEntry(value, "waitsFor");
    if (waits === undefined) continue;
    if (findEntry(value, "batch") !== undefined) {
      reporter.report({
        code: "TW221",
        at: waits.keyOrigin,
        message: `expected no waitsFor beside batch: ${quote(key)} is handled many jobs at a time, and a wait is of one job`,
        hint: "drop one of the two, or let a task of its own wait",
      });
    }
    for (const { key: event, value: fields } of entriesOf(waits.value)) {
      const payload = events.get(event)?.payload;
      if (payload !== undefined && fields.kind === "list")
        checkFields(event, payload, fields.items, library, reporter);
    }
  }
}

function isPlain(field: JsonSchemaNode): boolean {
  return PLAIN.has(field.kind) && !(field.kind === "enum" && field.values.includes(null));
}

function checkFields(
  event: string,
  payload: CheckedEvent["payload"],
  fields: readonly SourceNode[],
  library: SchemaLibrary,
  reporter: Reporter,
): void {
  const schema = library.resolve(payload);
  if (schema === undefined || schema === UNKNOWN_SCHEMA) return;
  const properties = schema.kind === "object" ? schema.properties : [];
  const seen = new Set<string>();
  for (const node of fields) {
    const name = textOf(node);
    if (name === undefined) continue;
    const report = (message: string, hint: string): void =>
      reporter.report({ code: "TW220", at: node.origin, message, hint });
    const property = properties.find((candidate) => candidate.name === name);
    const field = property === undefined ? undefined : library.resolve(property.schema);
    const names = properties.map((candidate) => candidate.name);
    if (seen.has(name)) report(`${quote(name)} stands there twice`, "delete one of them");
    else if (property === undefined)
      report(
        `${event} has no field ${quote(name)}`,
        didYouMean(name, names) ?? `fields: ${names.join(", ")}`,
      );
    else if (!property.required)
      report(
        `${quote(name)} of ${event} may be missing, and such an event would be found by nobody`,
        "make the field required, or name another",
      );
    else if (field !== undefined && field !== UNKNOWN_SCHEMA && !isPlain(field))
      report(
        `${quote(name)} of ${event} is no text, number, boolean or choice, or may be null, and such an event is not found by its value`,
        "name a field that says which event is meant, such as an id",
      );
    seen.add(name);
  }
}
