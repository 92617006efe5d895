/** Checks that the settings can be read, and reports where they come from. */
import { CONFIG_FIELDS, CONFIG_PATHS } from "../../runtime/config/index.js";
import { closest } from "../../runtime/definition/index.js";
import { describeError } from "../error-report.js";
import type { Session } from "../session.js";
import { ok, problem, type Finding } from "./finding.js";

const OURS = "TASKWEFT_";
/** Without what they all begin with, which would make any two of them alike. */
const VARIABLES: ReadonlySet<string> = new Set([
  ...CONFIG_PATHS.map((path) => CONFIG_FIELDS[path].env.slice(OURS.length)),
  "CONFIG",
  "WORKER_PROCESSES",
]);

export async function checkConfig(session: Session): Promise<Finding> {
  try {
    const profile = (await session.config()).said("profile");
    const unknown = Object.keys(session.io.env)
      .filter((name) => name.startsWith(OURS))
      .map((name) => name.slice(OURS.length))
      .filter((name) => !VARIABLES.has(name));
    if (unknown.length > 0) return unknownVariables(unknown);
    return ok(
      "TW-D04",
      `the configuration can be read${profile === undefined ? "" : `, profile ${profile}`}`,
    );
  } catch (error) {
    return problem("TW-D04", "error", describeError(error).message, {
      why: "no worker starts, and no command finds its Redis",
      fix: "correct the line; docs/configuration.md has every setting",
    });
  }
}

/** An unknown key of the file is an error, but an environment may hold variables of other programs. */
function unknownVariables(names: readonly string[]): Finding {
  const meant = names.flatMap((name) => closest(name, VARIABLES) ?? []);
  const listed = (some: readonly string[]): string => some.map((name) => `${OURS}${name}`).join(", ");
  return problem("TW-D04", "warning", `no setting has the variable ${listed(names)}`, {
    why: "it changes nothing",
    fix: meant.length > 0 ? `did you mean ${listed(meant)}?` : "docs/configuration.md has every variable",
  });
}
