/**
 * The log for programs: one JSON object a line, by pino.
 *
 * Loaded when it is asked for. `level`, `time` (RFC 3339), `msg` as in the log for people, and what the line is about
 * (`LogFields`). Fields that could hold a key or token are never written, whoever gives them; credentials that stand in a text by
 * mistake are cut out.
 */
import { type Logger, pino } from 'pino';
import { printable } from '../text/printable.ts';
import type { AdjustableLog, LogFields } from './log.ts';
import { withoutSecrets } from './without-secrets.ts';

/** Names of fields that hold secrets, at the top and one level below. */
const secretNames = [
  ...['key', 'keys', 'psk', 'masterKey', 'masterSecret', 'privateKey', 'passphrase'],
  ...['password', 'secret', 'token', 'tokens', 'authorization', 'cookie'],
];

const redactedPaths = secretNames.flatMap((name) => [name, `*.${name}`]);

/** Longest text of a peer in a field, in characters. */
const maxField = 256;

/** A log that writes lines with `write`, each with its line feed. */
export function jsonLog(write: (line: string) => void, verbosity: number): AdjustableLog {
  const logger: Logger = pino(
    {
      level: 'trace',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths, censor: '[redacted]' },
    },
    { write },
  );
  return {
    verbosity,
    error: (text, fields) => logger.error(written(fields), safeText(text)),
    warning: (text, fields) => logger.warn(written(fields), safeText(text)),
    detail(atLeast, text, fields) {
      if (this.verbosity >= atLeast)
        logger[atLeast === 0 ? 'info' : 'debug'](written(fields), safeText(text));
    },
    trace: (line) => logger.trace({}, safeText(line)),
  };
}

function written(fields: LogFields = {}): object {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, typeof value === 'string' ? safeText(value, maxField) : value]),
  );
}

function safeText(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  return printable(withoutSecrets(text), maxLength);
}
