/** The queue that every library uses. */
export const QUEUE_NAME = "bench";
