/** First part of all keys in Redis; the workers get it as TASKWEFT_PREFIX. One project has one prefix. */
export const PREFIX = "taskflow";
