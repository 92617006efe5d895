/** Events that are kept for their retention, as they stand in the hash `events`. */
export interface KeptEvent {
  /** When it was emitted first (ms). */
  readonly at: number;
  /** Its actions that a replay passes over: `<observer>.<number>`. */
  readonly settled: readonly string[];
  /** As it was emitted, in JSON. */
  readonly payload: string;
}

const HEAD = /^\[1,(\d+),"([^"]*)",/;

/** Two events may share an id. Names of events hold no space. */
export function eventField(event: string, id: string): string {
  return `${event} ${id}`;
}

export function eventOfField(field: string): { readonly event: string; readonly id: string } {
  const [event = "", id = ""] = field.split(" ", 2);
  return { event, id };
}

/** `undefined`: of a version that is not known here. */
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
