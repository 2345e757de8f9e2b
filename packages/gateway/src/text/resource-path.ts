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

/** The segments of a path as the library calls it, decoded: `Request.segments`. */
export function pathSegments(path: string): readonly string[] {
  return path.slice(1).split('/').map(decodeURIComponent);
}
