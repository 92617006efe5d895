import { defineHandler } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { takeTime } from "../../shop/weather.js";

/** Record what happened for the weekly figures. */
export default defineHandler("analytics:track", (job, ctx) =>
  recorded(job, () => takeTime(job, 1, 5, ctx.signal)),
);
