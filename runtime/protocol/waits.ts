/**
 * The events that the handler of a job waits for, in `notes` under `<id> waits`: lines, each after a line
 * break, the oldest first.
 *
 *   <name> <until (ms)> <event> <fields>\t<value>\t    the handler listens
 *   = <event> <event id> <name>                        received; the payload is the step of that name
 *
 * Names are JSON, with %XX for everything but plain letters. The member of `listeners` is `<event>
 * <fields>\n<value>\n<queue> <job id> <name>`; it shares the set with steps of runs, whose last word contains
 * no `%`.
 */

export interface Listening {
  readonly name: string;
  readonly event: string;
  /** Fields of the event whose values must match. */
  readonly fields: readonly string[];
  /** When the wait times out (ms). */
  readonly until: number;
}

export interface Heard {
  readonly name: string;
  readonly event: string;
}

export interface JobWaits {
  readonly listening: readonly Listening[];
  readonly heard: readonly Heard[];
}

/** The name as one word without line breaks and spaces. */
export function waitName(name: string): string {
  // Encoded as JSON first, because half a surrogate pair has no URI form.
  return encodeURIComponent(JSON.stringify(name));
}

export function waitMember(head: string, queue: string, id: string, name: string): string {
  return `${head}${queue} ${id} ${waitName(name)}`;
}

/**
 * The job in a member of `listeners`, and the start of its line in the job's waits; `undefined` for a step of
 * a run.
 */
export function parseWaitMember(
  member: string,
): { readonly id: string; readonly name: string; readonly head: string } | undefined {
  const [tail, id, name] = /(?<=\n)\S+ (\S+) (%\S+)$/.exec(member) ?? [];
  if (tail === undefined || id === undefined || name === undefined) return undefined;
  return { id, name, head: member.slice(0, -tail.length) };
}

/**
 * All members of `listeners` that belong to a text, whatever became of them, with the timeout of each (ms).
 */
export function waitMembers(
  id: string,
  queue: string,
  text: string,
): readonly { readonly member: string; readonly until: number }[] {
  return linesOf(text).flatMap((line) => {
    const [, name, until, head] = /^(%\S+) (\d+) (.*)$/.exec(line) ?? [];
    if (name === undefined || head === undefined) return [];
    return [{ member: `${head.replaceAll("\t", "\n")}${queue} ${id} ${name}`, until: Number(until) }];
  });
}

export function parseWaits(text: string | null | undefined): JobWaits {
  const listening: Listening[] = [];
  const heard: Heard[] = [];
  for (const line of linesOf(text ?? "")) {
    const [, mark, named] = /^= (\S+) \S+ (%\S+)$/.exec(line) ?? [];
    if (mark !== undefined && named !== undefined) heard.push({ event: mark, name: nameOf(named) });
    const [, name, until, event, fields] = /^(%\S+) (\d+) (\S+) ([^\t]*)\t/.exec(line) ?? [];
    if (name === undefined || event === undefined || fields === undefined) continue;
    // A single field is stored as its path, several as the list of their paths.
    const paths = JSON.parse(fields) as (string | string[])[];
    listening.push({ name: nameOf(name), event, fields: paths.flat(), until: Number(until) });
  }
  return { listening, heard };
}

function nameOf(word: string): string {
  return JSON.parse(decodeURIComponent(word)) as string;
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
