import type { Adapter } from "./adapter.js";

const missing = (): never => {
  throw new Error("the taskweft adapter is not wired yet");
};
export const taskweftAdapter: Adapter = { openProducer: missing, openConsumer: missing };
