/**
 * The form of host names (RFC 1123 §2.1, RFC 5890 §2.3.1).
 *
 * @module
 */

/**
 * Whether the text is a host name: labels of letters, digits, hyphens and underscores (which some devices have), none of
 * them empty, no dot at the end; at most 253 characters.
 */
export function isHostName(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false;
  return text.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}
