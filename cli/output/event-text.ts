/** Retained events as text: a line in a list, or all details. */
import type { EventDetails, EventSummary } from "../../runtime/inspect/index.js";
import type { Colors } from "./colors.js";
import { printable, printableLines } from "./sanitize.js";
import type { Column } from "./table.js";
import { relative, roughly, timestamp } from "./times.js";

export function eventColumns(now: number): readonly Column<EventSummary>[] {
  return [
    { header: "EVENT", value: ({ event }) => event, shrinks: true },
    { header: "ID", value: ({ id }) => id },
    { header: "AGE", value: ({ emittedAt }) => roughly(now - emittedAt), align: "right" },
    { header: "BYTES", value: ({ bytes }) => String(bytes), align: "right" },
    { header: "REMOVED", value: ({ removedAt }) => relative(removedAt, now) },
  ];
}

export function eventText(event: EventDetails, now: number, colors: Colors): string {
  const at = (ms: number): string => `${timestamp(ms)} (${relative(ms, now)})`;
  const fields: readonly (readonly [string, string])[] = [
    ["event", event.event],
    ["id", event.id],
    ["emitted", at(event.emittedAt)],
    ["removed", at(event.removedAt)],
    ["settled", event.settled.length === 0 ? "nothing" : event.settled.join(", ")],
  ];
  return [
    ...fields.map(([name, value]) => `${colors.dim(name.padEnd(11))}${printable(value)}`),
    "",
    ...payloadLines(event, colors),
  ].join("\n");
}

function payloadLines({ event, hidden, payload }: EventDetails, colors: Colors): readonly string[] {
  if (!hidden) {
    const text = printableLines(JSON.stringify(payload, undefined, 2));
    return [colors.dim("payload"), text.replaceAll(/^/gm, "  ")];
  }
  return [
    `${colors.dim("payload")}    hidden: no generated/manifest.json here knows ${printable(event)}, so its sensitive fields are unknown`,
    "           call weft in the project's folder, after weft codegen",
  ];
}
