/**
 * The word that somebody meant who wrote another one.
 */

/** What is longer was not meant to be a word of ours. */
const longestWord = 100;

/** The candidate with the fewest typing errors, when there are few enough; undefined else. */
export function nearestWord(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > longestWord) return undefined;
  let nearest: string | undefined;
  // Two letters may be wrong, or a third of them; of a short word one.
  let fewest = 1 + (word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3)));
  for (const candidate of candidates) {
    // It takes one error for each letter that there is more of, and time that grows with both.
    if (Math.abs(candidate.length - word.length) >= fewest) continue;
    const errors = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (errors < fewest) {
      fewest = errors;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein's: how many letters to add, take away or exchange. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j++) {
      const exchanged = (row[j] as number) + (letter === other[j] ? 0 : 1);
      next.push(Math.min(exchanged, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}
