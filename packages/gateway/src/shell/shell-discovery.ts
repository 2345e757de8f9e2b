/**
 * Paths of a server, from what `discover --json` prints.
 *
 * @module
 */

/** Paths that are kept: a server may have any number. */
const mostPaths = 1000;

/** Longest path that is kept, in characters. */
const longestPath = 500;

/** The paths of the server itself, in order, each once. @param lines JSON objects, one on a line. */
export function discoveredPaths(lines: string, origin: string): readonly string[] {
  const paths = new Set<string>();
  for (const line of lines.split('\n')) {
    if (line === '' || paths.size >= mostPaths) continue;
    const { target } = JSON.parse(line) as { readonly target: string };
    const path = target.startsWith(`${origin}/`) ? target.slice(origin.length) : target;
    // Those of other servers are no paths from here; nothing else belongs on a terminal either.
    if (/^\/[\x21-\x7e]*$/.test(path) && path.length <= longestPath) paths.add(path);
  }
  return [...paths].sort();
}
