/** Builds the models of events with their observers. */
import type { DefinitionFile } from "../model/definition-file.js";
import type { EventDefinitionEntry, ObserverDefinitionEntry } from "../model/definition-event.js";
import { compareText } from "../model/diagnostic.js";
import type { ActionModel, EventModel, ObserverModel, StartModel } from "../model/project.js";
import { identifierOf } from "./check-names.js";
import type { CheckedEvent, CheckedObserver } from "./check-observers.js";
import type { SchemaLibrary } from "./payload/library.js";
import { toMs } from "./resolve-settings.js";
import { sourceOf } from "./source.js";

export interface EventInput {
  readonly contents: readonly DefinitionFile[];
  readonly events: ReadonlyMap<string, CheckedEvent>;
  readonly observers: ReadonlyMap<string, CheckedObserver>;
  readonly library: SchemaLibrary;
}

export function buildEvents({ contents, events, observers, library }: EventInput): EventModel[] {
  const written = new Map(contents.flatMap((content) => Object.entries(content.events ?? {})));
  const rules = contents.flatMap((content) => Object.entries(content.observers ?? {}));
  return Array.from(events, ([name, { at, payload }]) => ({
    name,
    identifier: identifierOf(name),
    ...described(written.get(name)),
    source: sourceOf(at),
    payload: library.extract(payload),
    ...kept(written.get(name)),
    observers: rules
      .filter(([, rule]) => rule.on === name)
      .map(([observer, rule]) => buildObserver(observer, rule, observers.get(observer)))
      .sort((a, b) => compareText(a.name, b.name)),
  })).sort((a, b) => compareText(a.name, b.name));
}

function buildObserver(
  name: string,
  written: ObserverDefinitionEntry,
  checked: CheckedObserver | undefined,
): ObserverModel {
  if (checked === undefined) throw new Error(`the observer "${name}" has content but no position`);
  return {
    name,
    ...described(written),
    source: sourceOf(checked.at),
    ...(checked.when === undefined ? {} : { when: checked.when }),
    actions: written.do.map(({ task, workflow, delay, queue }, index): ActionModel | StartModel => {
      const payload = checked.payloads[index];
      if (payload === undefined) throw new Error(`action ${index} of "${name}" has no payload`);
      if (workflow !== undefined) return { workflow, input: payload };
      if (task === undefined) throw new Error(`action ${index} of "${name}" does nothing`);
      const delayMs = delay === undefined ? 0 : toMs(delay);
      return {
        task,
        payload,
        ...(delayMs === 0 ? {} : { delayMs }),
        ...(queue === undefined ? {} : { queue }),
      };
    }),
  };
}

function kept(written: EventDefinitionEntry | undefined): { keepMs?: number } {
  return written?.retention === undefined ? {} : { keepMs: toMs(written.retention) };
}

function described(written: { readonly description?: string | undefined } | undefined): {
  description?: string;
} {
  return written?.description === undefined ? {} : { description: written.description };
}
