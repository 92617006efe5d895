import { ShardRouter } from "../protocol/index.js";

/** Which shard this is, and how many there are. */
export interface ShardPlace {
  readonly router: ShardRouter;
  readonly shard: number;
}

export const ONLY_PLACE: ShardPlace = { router: new ShardRouter(1), shard: 0 };
