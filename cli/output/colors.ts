import picocolors from "picocolors";
import type { TextOutput } from "../io.js";

export type Colors = ReturnType<typeof picocolors.createColors>;

/**
 * Colours only on a terminal that supports them, never in a pipe, so that no escape code reaches a file or a
 * program.
 */
export function chooseColors(stream: TextOutput, env: NodeJS.ProcessEnv, wanted: boolean): Colors {
  return picocolors.createColors(wanted && canShow(stream, env));
}

function canShow(stream: TextOutput, env: NodeJS.ProcessEnv): boolean {
  // https://no-color.org: any value except the empty string disables colours.
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  if ((env["FORCE_COLOR"] ?? "") !== "") return env["FORCE_COLOR"] !== "0";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}
