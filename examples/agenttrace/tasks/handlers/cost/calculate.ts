import { defineHandler, ModelUnknown } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";

/** Microdollars for a token in and a token out. */
const PRICES: ReadonlyMap<string, readonly [input: number, output: number]> = new Map([
  ["large", [3, 15]],
  ["small", [1, 4]],
]);

/** Price the tokens of a trace. */
export default defineHandler("cost:calculate", (job) =>
  journaled(job, async () => {
    const { model, inputTokens, outputTokens } = job.payload;
    const price = PRICES.get(model);
    if (price === undefined) throw new ModelUnknown(`There is no price for ${model}.`);
    return { microdollars: inputTokens * price[0] + outputTokens * price[1] };
  }),
);
