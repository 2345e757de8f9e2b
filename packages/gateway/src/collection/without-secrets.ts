/**
 * Texts without secrets: wherever the value of one stands, also percent-encoded, as hexadecimal digits, in Base64 or inside a
 * JSON text, there are three asterisks; and so where a text was cut (`…`) within one.
 *
 * @module
 */

import { hexText } from '../text/hex.ts';

/** What takes secrets out of texts. */
export function withoutSecrets(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    const bytes = new TextEncoder().encode(secret);
    const base64 = btoa(String.fromCharCode(...bytes)).replace(/=+$/, '');
    const digits = secret.replace(/^0x/, '');
    const own = [
      secret,
      digits,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      hexText(bytes),
      base64,
      base64.replaceAll('+', '-').replaceAll('/', '_'),
    ];
    for (const form of own) if (form !== '') forms.add(form);
  }
  // Longer ones first: a shorter one may be a part of them.
  const ordered = [...forms].sort((one, other) => other.length - one.length);
  return (text) =>
    withoutBeginnings(
      ordered.reduce((rest, form) => rest.replaceAll(form, '***'), text),
      ordered,
    );
}

/** Shortest beginning of a secret that is taken out too, in characters. */
const shortestBeginning = 4;

/** Texts that are cut with `…` may end within a secret. */
function withoutBeginnings(text: string, forms: readonly string[]): string {
  if (!text.includes('…')) return text;
  const parts = text.split('…');
  return parts
    .map((part, index) => {
      if (index === parts.length - 1) return part;
      const length = Math.max(0, ...forms.map((form) => beginningAtEnd(part, form)));
      return length === 0 ? part : `${part.slice(0, -length)}***`;
    })
    .join('…');
}

/** How much of a form's beginning a text ends with, in characters. */
function beginningAtEnd(text: string, form: string): number {
  for (let length = Math.min(form.length, text.length); length >= shortestBeginning; length--)
    if (text.endsWith(form.slice(0, length))) return length;
  return 0;
}

/** The same for all texts of a value. */
export function withoutSecretsDeep<Value>(value: Value, clean: (text: string) => string): Value {
  if (typeof value === 'string') return clean(value) as Value;
  if (Array.isArray(value)) return value.map((item) => withoutSecretsDeep(item, clean)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withoutSecretsDeep(item as unknown, clean)]),
  ) as Value;
}
