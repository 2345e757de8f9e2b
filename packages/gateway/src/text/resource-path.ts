/**
 * The path of a resource as the library calls it (`Request.path`): from one that is percent-encoded in any way, and its segments.
 */

/** @returns undefined for a path with a broken escape. */
export function resourcePath(path: string): string | undefined {
  try {
    return path
      .split('/')
      .map((segment) => decodeURIComponent(segment).replace(/[%/?]/g, encodeURIComponent))
      .join('/');
  } catch {
    return undefined;
  }
}

/** What is wrong with decoded segments that are to stand in a URI: there, "." and ".." would name something else (RFC 7252 §5.10.1). */
export function uriSegmentsProblem(segments: readonly string[]): string | undefined {
  const hasDots = segments.some((segment) => segment === '.' || segment === '..');
  return hasDots ? 'Uri-Path is "." or ".."' : undefined;
}

/** The segments of a path as the library calls it, decoded: `Request.segments`. */
export function pathSegments(path: string): readonly string[] {
  return path.slice(1).split('/').map(decodeURIComponent);
}
