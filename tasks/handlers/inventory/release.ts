import { defineHandler } from "../../../generated/index.js";
import { recorded } from "../../shop/ledger.js";
import { takeTime } from "../../shop/weather.js";

/** Put goods that were laid aside back into the stock. */
export default defineHandler("inventory:release", (job, ctx) =>
  recorded(job, () => takeTime(job, 5, 25, ctx.signal)),
);
