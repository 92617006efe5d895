/** How the runtime reaches Redis. The only folder that imports ioredis values. */
export * from "./connection.js";
export { checkedAddress, type IoredisOptions, maskUrl, openRedis } from "./open-redis.js";
export { Reads } from "./reads.js";
export * from "./reply-errors.js";
export * from "./server-clock.js";
export * from "./suitability.js";
export * from "./thread-connection.js";
