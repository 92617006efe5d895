/** Applies one verb to several jobs: to the ids given or, once confirmed, to all jobs that match a filter. */
import type { CollectedIds, Inspector, JobFilter, JobState } from "../runtime/inspect/index.js";
import { describeError } from "./error-report.js";
import { CliError } from "./errors.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { withInspector } from "./inspection.js";
import { noteUnknownName } from "./manifest.js";
import { printable } from "./output/sanitize.js";
import type { Session } from "./session.js";

export type JobVerb = "cancel" | "delete" | "retry";

export interface JobAction {
  readonly verb: JobVerb;
  readonly ids: readonly string[];
  readonly filter: JobFilter;
  /** The confirmation that a call without ids requires. */
  readonly yes: boolean;
  /** Applies the verb to one job, unless the job has left this state, and returns the outcome in words. */
  readonly act: (inspector: Inspector, id: string, state: JobState | undefined) => Promise<string>;
}

interface Failure {
  readonly id: string;
  readonly ok: false;
  readonly code: string;
  readonly message: string;
  readonly exitCode: ExitCode;
}

type Outcome = Failure | { readonly id: string; readonly ok: true; readonly outcome: string };

/** States in which each verb is possible. A filter without `--state` searches only these. */
const STATES: Readonly<Record<JobVerb, readonly JobState[]>> = {
  cancel: ["scheduled", "retry", "pending", "active"],
  delete: ["scheduled", "retry", "pending", "dead", "completed", "cancelled"],
  retry: ["dead", "cancelled", "scheduled", "retry"],
};
/** States in which a workflow step is skipped, because only its run may change it. */
const STEPS_LEFT: Readonly<Record<JobVerb, readonly JobState[]>> = {
  cancel: STATES.cancel,
  delete: ["scheduled", "retry", "pending"],
  retry: STATES.retry,
};
/** Most matching jobs that one command acts on. */
const MOST = 10_000;
/**
 * Commands in flight at once: enough to hide the round trip to Redis, few enough not to slow down the
 * workers.
 */
const AT_ONCE = 50;

export async function actOnJobs(action: JobAction, session: Session): Promise<ExitCode> {
  return withInspector(session, async ({ inspector }) => {
    const act = (id: string) => action.act(inspector, id, action.filter.state);
    if (action.ids.length > 0) return await actOnIds("jobs", namedIds(action), act, session);
    // Jobs may have changed their state since they were found. Without a state in the filter, any state to
    // which the verb can be applied is meant.
    const { ids, more } = await matchingIds(action, inspector, session);
    const warnings = more ? [`more jobs match than the ${MOST} of one call: run it again`] : [];
    return await actOnIds("jobs", ids, act, session, warnings);
  });
}

/**
 * Applies `act` to each id, prints one line per id and returns the exit code. `what` is the name of the list
 * in the JSON output.
 */
export async function actOnIds(
  what: "jobs" | "runs",
  ids: readonly string[],
  act: (id: string) => Promise<string>,
  session: Session,
  warnings: readonly string[] = [],
): Promise<ExitCode> {
  const outcomes = await actOnAll(ids, act);
  const shown = outcomes.map(({ id, ...rest }) => ({
    id,
    ...("exitCode" in rest ? { ok: rest.ok, code: rest.code, message: rest.message } : rest),
  }));
  session.result({ [what]: shown }, () => outcomes.map(outcomeLine).join("\n"), warnings);
  return exitCodeOf(outcomes);
}

function namedIds({ ids, filter, verb }: JobAction): readonly string[] {
  if (Object.keys(filter).length === 0) return [...new Set(ids)];
  throw new CliError("OptionsConflict", `weft jobs ${verb} takes ids or filters, got both`, {
    exitCode: EXIT.usage,
    fix: "leave out the filters to act on exactly these ids",
  });
}

async function matchingIds(
  { filter, verb, yes }: JobAction,
  inspector: Inspector,
  session: Session,
): Promise<Matching> {
  if (Object.keys(filter).length === 0) {
    throw new CliError(
      "JobsNotNamed",
      `weft jobs ${verb} needs ids, or a filter: --state, --queue or --task`,
      {
        exitCode: EXIT.usage,
        fix: `for example: weft jobs ${verb} --state dead --task payment:process --yes`,
      },
    );
  }
  const matching = await toActOn(inspector, filter, verb);
  const { ids, more, steps } = matching;
  if (steps > 0) {
    // The search ends with the last of those that are taken.
    const many = more || steps >= MOST ? "at least " : "";
    session.note(
      `left out: ${many}${steps} steps of workflow runs that match, which belong to their runs: weft runs ${verb === "retry" ? "retry" : "cancel"}`,
    );
  }
  if (ids.length === 0 && !session.json) {
    session.note("no jobs");
    await noteUnknownName(session, "task", filter.task);
  }
  if (ids.length === 0 || yes) return matching;
  const which = more ? `the newest ${MOST} of the jobs that match` : `${ids.length} jobs`;
  throw new CliError("NotConfirmed", `this would ${verb} ${which}`, {
    exitCode: EXIT.usage,
    fix: "add --yes to do it, or look at them first: weft jobs list with the same filters",
  });
}

interface Matching extends CollectedIds {
  /** Others match as well. */
  readonly more: boolean;
}

async function toActOn(inspector: Inspector, filter: JobFilter, verb: JobVerb): Promise<Matching> {
  const ids = new Set<string>();
  let steps = 0;
  for (const state of statesOf(filter, verb)) {
    if (ids.size > MOST) break;
    const which = STEPS_LEFT[verb].includes(state) ? { state, steps: false } : { state };
    const found = await inspector.collectIds({ ...filter, ...which }, MOST + 1 - ids.size);
    for (const id of found.ids) ids.add(id);
    steps += found.steps;
  }
  // One id too many was asked for, to know whether there are more. Where ids come in order of time, the earliest
  // comes first, and is left to the next call.
  return { ids: [...ids].slice(-MOST), steps, more: ids.size > MOST };
}

function statesOf({ state }: JobFilter, verb: JobVerb): readonly JobState[] {
  const states = STATES[verb];
  if (state === undefined) return states;
  if (states.includes(state)) return [state];
  const possible = `${states.slice(0, -1).join(", ")} or ${states.at(-1)}`;
  throw new CliError(
    "StateNotPossible",
    `weft jobs ${verb} takes jobs that are ${possible}, got --state ${state}`,
    { exitCode: EXIT.usage, fix: "name one of these states, or leave out --state" },
  );
}

/** When Redis is lost part-way, the remaining ids are not tried; the report tells done from not done. */
async function actOnAll(
  ids: readonly string[],
  act: (id: string) => Promise<string>,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let lost: Failure | undefined;
  for (let index = 0; index < ids.length; index += AT_ONCE) {
    const some = ids.slice(index, index + AT_ONCE);
    if (lost !== undefined) {
      const { code, message, exitCode } = lost;
      outcomes.push(
        ...some.map((id): Failure => ({ id, ok: false, code, message: `not tried: ${message}`, exitCode })),
      );
      continue;
    }
    const done = await Promise.all(some.map((id) => actOnOne(id, act)));
    lost = done.find((outcome) => !outcome.ok && !OF_THE_JOB.has(outcome.exitCode)) as Failure | undefined;
    outcomes.push(...done);
  }
  return outcomes;
}

/** Exit codes of failures that concern a single job and do not predict the result for the others. */
const OF_THE_JOB: ReadonlySet<ExitCode> = new Set([EXIT.notFound, EXIT.conflict]);

/** A failure of one job is returned, not thrown, so that the others are still processed. */
async function actOnOne(id: string, act: (id: string) => Promise<string>): Promise<Outcome> {
  try {
    return { id, ok: true, outcome: await act(id) };
  } catch (error) {
    const { code, message, exitCode, stack } = describeError(error);
    // An error that describeError does not know is a bug: report it with its stack.
    if (stack !== undefined) throw error;
    return { id, ok: false, code, message, exitCode };
  }
}

function outcomeLine(outcome: Outcome): string {
  return `${printable(outcome.id)}  ${outcome.ok ? outcome.outcome : printable(`${outcome.code}: ${outcome.message}`)}`;
}

function exitCodeOf(outcomes: readonly Outcome[]): ExitCode {
  const failed = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.exitCode]));
  if (failed.length === 0) return EXIT.ok;
  const lost = failed.find((code) => !OF_THE_JOB.has(code));
  if (lost !== undefined) return lost;
  return failed.every((code) => code === EXIT.notFound) ? EXIT.notFound : EXIT.conflict;
}
