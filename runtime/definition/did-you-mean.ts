/** Suggestions for misspelt words. */

/**
 * Optimal string alignment distance: inserting, deleting, replacing or swapping two neighbours costs 1 each.
 */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforePrevious[j - 2]! + 1);
      }
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}

/**
 * Only the first names of a larger project are compared: each comparison costs the product of both lengths.
 */
const MAX_CANDIDATES = 2000;

/**
 * The most likely intended candidate, or `undefined` if none is close. Other spelling habits (`max_retries`)
 * count as close.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  // The distance is quadratic, and a word of 100,000 characters is not a misspelling of anything.
  if (word.length > 80) return undefined;
  const plain = squash(word);
  let best: { candidate: string; distance: number } | undefined;
  let looked = 0;
  for (const candidate of candidates) {
    if (++looked > MAX_CANDIDATES) break;
    const distance = squash(candidate) === plain ? 0 : editDistance(word, candidate);
    const limit = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** `did you mean "x"?`, or `undefined`. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const candidate = closest(word, candidates);
  return candidate === undefined ? undefined : `did you mean "${candidate}"?`;
}

function squash(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/gu, "");
}
