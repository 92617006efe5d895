/** Checks that the settings can be read, and reports where they come from. */
import { describeError } from "../error-report.js";
import type { Session } from "../session.js";
import { ok, problem, type Finding } from "./finding.js";

export async function checkConfig(session: Session): Promise<Finding> {
  try {
    const profile = (await session.config()).said("profile");
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
