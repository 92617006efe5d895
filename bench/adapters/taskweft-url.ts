import type { Target } from "./adapter.js";

export function redisUrl(target: Target): string {
  return `redis://${target.host}:${target.port}`;
}
