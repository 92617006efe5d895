/**
 * The layers around every handler of a project. The first layer is the outermost one.
 *
 *   layer 1 --next()--> layer 2 --next()--> handler
 *
 * Layers observe an attempt and may fail it, but cannot change its outcome otherwise: what the handler
 * returned or threw stands, unless a layer throws. So a layer that forgets to return the result does not lose
 * it, and one that only logs errors does not swallow them.
 */
import { PermanentError, TaskweftError } from "../../errors.js";
import type { AnyHandler, DefinedMiddleware, Job, Middleware, TaskContext } from "../handler.js";

/**
 * A layer did not call `next()` exactly once. Permanent, because every further attempt would repeat the
 * mistake in the code.
 */
export class MiddlewareInvalid extends PermanentError {
  override readonly name = "MiddlewareInvalid";
}

/** Returns the handler itself when there are no layers, so that attempts cost nothing more. */
export function withMiddleware(layers: readonly Middleware[], handler: AnyHandler): AnyHandler {
  if (layers.length === 0) return handler;
  return (job, ctx) => runFrom(0, layers, handler, job, ctx);
}

async function runFrom(
  index: number,
  layers: readonly Middleware[],
  handler: AnyHandler,
  job: Job,
  ctx: TaskContext,
): Promise<unknown> {
  const layer = layers[index];
  if (layer === undefined) return await handler(job, ctx);
  let inner: Promise<unknown> | undefined;
  let misuse: MiddlewareInvalid | undefined;
  let ended = false;
  const next = (): Promise<unknown> => {
    if (inner === undefined && !ended)
      return watched((inner = runFrom(index + 1, layers, handler, job, ctx)));
    misuse ??= new MiddlewareInvalid(
      `${nameOf(layer, index)} called next() ${ended ? "after it had ended" : "twice"}; an attempt runs its handler once, and a layer awaits it`,
    );
    return watched(Promise.reject(misuse));
  };
  try {
    await layer(job, ctx, next);
  } finally {
    ended = true;
    // A layer may not have awaited `next()`, but the attempt must not end before its handler has.
    await inner?.catch(() => undefined);
  }
  if (misuse !== undefined) throw misuse;
  if (inner !== undefined) return await inner;
  throw new MiddlewareInvalid(
    `${nameOf(layer, index)} ended without next(), so the handler has not run; to fail a job, throw an error that says why`,
  );
}

/**
 * The outcome is always inspected later. A layer that ignores its promise must not cause an unhandled
 * rejection, which would end the process and all of its jobs.
 */
function watched(promise: Promise<unknown>): Promise<unknown> {
  promise.catch(() => undefined);
  return promise;
}

function nameOf(layer: Middleware, index: number): string {
  return `middleware ${index + 1}${layer.name === "" ? "" : ` (${layer.name})`}`;
}

/** The compiler checks the same, but development runs without it. @throws TaskweftError `OptionInvalid` */
export function checkedLayers(defined: Partial<DefinedMiddleware> | undefined): readonly Middleware[] {
  const { layers } = defined ?? {};
  if (Array.isArray(layers) && layers.every((layer) => typeof layer === "function")) return layers;
  throw new TaskweftError(
    "OptionInvalid",
    "the middleware of this project: expected what defineMiddleware(...) makes of functions. Make it the default export of tasks/middleware.ts.",
    { operation: "start" },
  );
}
