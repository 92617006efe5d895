// What handlers wait for, as the model of the property test sees it. All wait for one value of one event.
import { waitName } from "../../runtime/protocol/index.js";

/** Lines of a job, the oldest first: a name that listens, or the event that was heard under one. */
export type ModelWaits = readonly { readonly name: string; readonly event?: string }[];

interface Jobs {
  readonly steps: Map<string, ReadonlyMap<string, unknown>>;
  readonly listens: Map<string, ModelWaits>;
}

export function modelListen({ steps, listens }: Jobs, id: string, name: string): "event" | "until" {
  if (steps.get(id)?.has(name) === true) return "event";
  const lines = listens.get(id) ?? [];
  if (!lines.some((line) => line.name === name && line.event === undefined))
    listens.set(id, [...lines, { name }]);
  return "until";
}

/** The jobs that hear of it. */
export function modelTell({ steps, listens }: Jobs, event: string): readonly string[] {
  const heard: string[] = [];
  for (const [id, before] of listens) {
    const known = before.findIndex((line) => line.event === event);
    const hears = before.filter((line, index) => line.event === undefined && (known < 0 || index < known));
    if (hears.length === 0) continue;
    // In the order of their members.
    const names = hears.map(({ name }) => name).toSorted((a, b) => (waitName(a) < waitName(b) ? -1 : 1));
    const left = before.filter((line) => !hears.includes(line));
    listens.set(id, [...left, ...names.map((name) => ({ name, event }))]);
    const own = steps.get(id) ?? new Map<string, unknown>();
    steps.set(id, new Map([...own, ...names.map((name) => [name, { id: 1 }] as const)]));
    heard.push(id);
  }
  return heard.toSorted();
}

/** The text of Redis in the shape of the model. */
export function waitsOf(text: string): ModelWaits {
  const lines = text.split("\n").slice(1);
  return lines.map((line) => {
    const words = line.split(" ");
    const name = (word = ""): string => JSON.parse(decodeURIComponent(word)) as string;
    return words[0] === "=" ? { name: name(words[3]), event: words[2]! } : { name: name(words[0]) };
  });
}
