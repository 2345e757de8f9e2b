/**
 * Texts for a log, without credentials that stand in them by mistake: known by their form, not by what they are.
 *
 * A net below the rule that nobody gives a key or token to a log.
 */

/** Secrets by their form: of an Authorization header, of an event stream's URI, PEM, the TLS key log, before the host of a URI. */
const secretForms: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w\-.~+/]+=*/gi, '$1 [redacted]'],
  [/\b(access_token=)[^&\s"]+/gi, '$1[redacted]'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[redacted]'],
  [/\bCLIENT_RANDOM [0-9a-f]+ [0-9a-f]+/gi, 'CLIENT_RANDOM [redacted]'],
  // The name of a scheme is bounded: texts of peers are among these, and each of their letters could begin one.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^@/\s]+@/gi, '$1[redacted]@'],
];

/** The text with `[redacted]` in place of each. */
export function withoutSecrets(text: string): string {
  return secretForms.reduce((rest, [form, by]) => rest.replace(form, by), text);
}
