/** First part of all keys in Redis; the workers have it from weft.config.yaml. One project has one prefix. */
export const PREFIX = "observers";
