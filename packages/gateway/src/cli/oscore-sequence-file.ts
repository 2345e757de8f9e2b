/**
 * The sequence number of a client as libcoap's programs keep it (`-E FILE,SEQ_FILE`): a line with a decimal number.
 *
 * No number at or above it was used, which is what a sender edge says (docs/decisions/045). Of the Replay Window nothing is
 * kept there; a client needs none, since each response is bound to its request (RFC 8613 §7.4).
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { type OscoreStore, openOscoreFile } from 'coapsule';
import { refuseOscoreFile } from './oscore-parameters.ts';
import { replaceFile } from './replaced-file.ts';

/** Opens such a file, with the lock that keeps other processes of ours away; it need not exist, and may be empty. */
export async function openSequenceFile(path: string): Promise<OscoreStore> {
  const lock = await openOscoreFile(path);
  return {
    async load() {
      let text: string;
      try {
        text = (await readFile(path, 'utf8')).trim();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
      // As libcoap leaves it when it ends before its first request.
      if (text === '') return undefined;
      const senderEdge = /^\d{1,13}$/.test(text) ? Number(text) : Number.NaN;
      if (!(senderEdge <= 2 ** 40)) refuseOscoreFile(path, ' has no sequence number as libcoap writes it');
      return { senderEdge, recipientEdge: 0 };
    },
    save: ({ senderEdge }) => replaceFile(path, `${senderEdge}\n`),
    close: () => lock.close(),
  };
}
