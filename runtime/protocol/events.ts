/** An event that is kept for its retention, as stored in the `events` hash. */
export interface KeptEvent {
  /** When the event was first emitted (ms). */
  readonly at: number;
  /** Observer actions that a replay skips: `<observer>.<number>`. */
  readonly settled: readonly string[];
  /** The payload as it was emitted, in JSON. */
  readonly payload: string;
}

const HEAD = /^\[1,(\d+),"([^"]*)",/;

/**
 * The field contains the name of the event, because two events may share an id. Event names contain no space.
 */
export function eventField(event: string, id: string): string {
  return `${event} ${id}`;
}

export function eventOfField(field: string): { readonly event: string; readonly id: string } {
  const [event = "", id = ""] = field.split(" ", 2);
  return { event, id };
}

/** `undefined` for a version that this process does not know. */
export function parseKeptEvent(text: string): KeptEvent | undefined {
  const head = HEAD.exec(text);
  if (head === null) return undefined;
  const [{ length }, at, settled = ""] = head;
  return {
    at: Number(at),
    settled: settled === "" ? [] : settled.split(" "),
    payload: text.slice(length, -1),
  };
}
