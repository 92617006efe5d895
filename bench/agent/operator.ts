import type { Operator } from "../adapters/adapter.js";
import { nowUs } from "../clock.js";
import type { OperatorRequest, Operations } from "./messages.js";

const PAGE = 1000;

/** Does what a person would do with a backlog, and says how long it took. */
export async function operate(
  operator: Operator,
  request: OperatorRequest,
): Promise<Operations["operate"]["reply"]> {
  const startedAtUs = nowUs();
  const jobs = await act(operator, request);
  return { tookMs: (nowUs() - startedAtUs) / 1000, jobs };
}

async function act(operator: Operator, request: OperatorRequest): Promise<number> {
  switch (request) {
    case "count":
      return operator.count();
    case "list":
      return operator.list(PAGE);
    case "purge":
      await operator.purge();
      return 0;
  }
}
