/**
 * The URI of an HTTP server that stands behind a path of the gateway.
 */

/** What is wrong with a URI to stand behind a path, or undefined. */
export function httpBaseProblem(uri: string): string | undefined {
  if (!URL.canParse(uri)) return `"${uri}" is no URI`;
  const { username, password, search, hash } = new URL(uri);
  if (username !== '' || password !== '')
    return 'credentials do not stand in the URI: give --proxy-credentials';
  return search === '' && hash === '' ? undefined : `"${uri}" has a query or a fragment`;
}
