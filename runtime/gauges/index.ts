/** What Redis says of the system in numbers, for the metrics of a worker and for whoever asks once. */
export { firstInLine, inLine } from "./line.js";
export { gaugesSnapshot, RedisGauges } from "./redis-gauges.js";
export { addUnserved, readUnservedQueues, type UnservedQueue } from "./unserved-queues.js";
export { readShardGauges, type QueueGauges, type ShardGauges } from "./shard-gauges.js";
