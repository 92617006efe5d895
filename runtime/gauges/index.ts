/** The state of the system in numbers, read from Redis for a worker's metrics and for `weft metrics`. */
export { firstInLine, inLine } from "./line.js";
export { gaugesSnapshot, RedisGauges } from "./redis-gauges.js";
export { addUnserved, readUnservedQueues, type UnservedQueue } from "./unserved-queues.js";
export { readShardGauges, type QueueGauges, type ShardGauges } from "./shard-gauges.js";
