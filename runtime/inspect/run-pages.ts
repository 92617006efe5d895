/** Workflow runs of several shards in one list, in the order of the lists of one shard. */
import { TaskweftError } from "../errors.js";
import type { Inspector } from "./inspector.js";
import { checkedLimit } from "./job-list.js";
import type { RunListOptions, RunPage, RunSummary } from "./run-types.js";

/** In a cursor: the shard has nothing more. */
const END = "-";

/** The page of one shard, and how many of its runs are in the merged page. */
interface Part {
  readonly shard: Inspector;
  /** Where the page begins; "" = at the start. */
  readonly cursor: string;
  readonly page: RunPage;
  taken: number;
}

export async function listRunsOver(shards: readonly Inspector[], options: RunListOptions): Promise<RunPage> {
  const limit = checkedLimit(options.limit, "listRuns");
  const cursors = decodeCursors(options.cursor, shards.length);
  const parts = await Promise.all(
    shards.map(async (shard, index): Promise<Part> => {
      const cursor = cursors[index]!;
      const page = cursor === END ? { runs: [] } : await shard.listRuns(from(options, cursor, limit));
      return { shard, cursor, page, taken: 0 };
    }),
  );
  const runs: RunSummary[] = [];
  // Behind a page that is used up, but not the last of its shard, other runs may come first.
  while (runs.length < limit && !parts.some(({ page, taken }) => page.next && taken === page.runs.length)) {
    const first = parts.filter((part) => head(part) !== undefined).toSorted(compareHeads)[0];
    if (first === undefined) break;
    runs.push(head(first)!);
    first.taken += 1;
  }
  const next = await Promise.all(parts.map((part) => cursorBehind(part, options)));
  return next.every((cursor) => cursor === END) ? { runs } : { runs, next: next.join(",") };
}

function head({ page, taken }: Part): RunSummary | undefined {
  return page.runs[taken];
}

function compareHeads(one: Part, other: Part): number {
  const [a, b] = [head(one)!, head(other)!];
  if ((a.endedAt === undefined) !== (b.endedAt === undefined)) return a.endedAt === undefined ? -1 : 1;
  return (b.listedBy ?? 0) - (a.listedBy ?? 0);
}

/** Where the next page of the shard begins. A page has no cursors inside, so the shard is asked anew. */
async function cursorBehind({ shard, cursor, page, taken }: Part, options: RunListOptions): Promise<string> {
  if (taken === page.runs.length) return page.next ?? END;
  if (taken === 0) return cursor;
  return (await shard.listRuns(from(options, cursor, taken))).next ?? END;
}

function from({ cursor: _old, ...options }: RunListOptions, cursor: string, limit: number): RunListOptions {
  return { ...options, limit, ...(cursor === "" ? {} : { cursor }) };
}

function decodeCursors(cursor: string | undefined, shards: number): readonly string[] {
  if (cursor === undefined) return Array.from({ length: shards }, () => "");
  const cursors = cursor.split(",");
  if (cursors.length === shards) return cursors;
  throw new TaskweftError("OptionInvalid", "cursor: expected what the page before gave as `next`", {
    operation: "listRuns",
  });
}
