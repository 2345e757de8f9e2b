/**
 * `--dangerously-log-oscore FILE`: Security Contexts in the form of Wireshark's file `oscore_contexts`.
 *
 * @module
 */

import { closeSync, readFileSync, writeSync } from 'node:fs';
import { dangerouslyWiresharkContext } from 'coapsule/oscore';
import type { OscoreParameters } from './oscore-parameters.ts';
import { openSecretFile } from './secret-file.ts';

/** The file, for its owner alone. Each context stands there once, however often it is opened. */
export class OscoreLog {
  readonly path: string;
  readonly #lines: Set<string>;

  /** Opens it to add to. Throws the error of the system; says by `warn` what the file is. */
  constructor(path: string, warn: (text: string) => void) {
    closeSync(openSecretFile(path, 'a'));
    this.path = path;
    this.#lines = new Set(readFileSync(path, 'utf8').split('\n'));
    warn(
      `${path} has the Master Secrets of OSCORE contexts: whoever reads it can decrypt AND FORGE all their messages, also later ones; for debugging only`,
    );
  }

  /**
   * Adds a context of this end, which is the client or the server of the messages that are to be shown.
   *
   * @returns why the context is not there; `undefined` when it is. Throws the error of the system.
   */
  add(parameters: OscoreParameters, role: 'client' | 'server'): string | undefined {
    if (parameters.deriveAnew !== undefined) return 'it is derived anew from random IDs';
    const line = dangerouslyWiresharkContext(parameters, role);
    if (line === undefined) return 'Wireshark does not have its algorithms';
    if (this.#lines.has(line)) return undefined;
    this.#lines.add(line);
    const file = openSecretFile(this.path, 'a');
    try {
      writeSync(file, `${line}\n`);
    } finally {
      closeSync(file);
    }
    return undefined;
  }
}
