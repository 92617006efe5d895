/** A short diff of two texts: enough to see what kind of change is missing. */

const MAX_LINES = 6;

/** Lines of `before` and `after` around the first and last difference; at most six of each. */
export function shortDiff(before: string, after: string): string {
  const [old, next] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < old.length && start < next.length && old[start] === next[start]) start++;
  let end = 0;
  const shorter = Math.min(old.length, next.length) - start;
  while (end < shorter && old.at(-1 - end) === next.at(-1 - end)) end++;
  return [
    `@@ line ${start + 1} @@`,
    ...marked("-", old.slice(start, old.length - end)),
    ...marked("+", next.slice(start, next.length - end)),
  ].join("\n");
}

function marked(sign: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, MAX_LINES).map((line) => `${sign} ${line}`);
  return lines.length > MAX_LINES ? [...shown, `${sign} ... ${lines.length - MAX_LINES} more lines`] : shown;
}
