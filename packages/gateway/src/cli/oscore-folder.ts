/**
 * aiocoap's folder of a Security Context: `settings.json` or `secret.json`, and the numbers in `sequence.json`.
 *
 * The numbers are kept in aiocoap's own form, so that both programs can use the folder in turn, though not at once:
 * `next-to-send` is the sender edge, and a window that begins at the recipient edge with nothing in it says the same as the
 * edge does (docs/decisions/045).
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type OscoreState, type OscoreStore, openOscoreFile } from 'coapsule';
import { coseAead } from 'coapsule/oscore';
import { hexBytes, hexText } from './option-values.ts';
import { isReplayWindow, type OscoreParameters, refuseOscoreFile } from './oscore-parameters.ts';
import { replaceFile } from './replaced-file.ts';

/** Reads the parameters out of a folder. @throws CommandFailure for what is no such folder. */
export function readOscoreFolder(folder: string): OscoreParameters {
  const data = new Map<string, unknown>();
  for (const file of ['secret.json', 'settings.json']) {
    for (const [given, value] of Object.entries(jsonFile(folder, file))) {
      const [key, decoded] =
        datum(given, value) ?? refuseOscoreFile(folder, `: ${given} is not what it says`);
      if (data.has(key)) refuseOscoreFile(folder, `: ${key} stands in secret.json and in settings.json`);
      data.set(key, decoded);
    }
  }
  const bytes = (key: string): Uint8Array | undefined => {
    const value = data.get(key);
    if (value === undefined || value instanceof Uint8Array) return value;
    return refuseOscoreFile(folder, `: ${key} is given as ${key}_hex or ${key}_ascii`);
  };
  const needed = (key: string): Uint8Array => bytes(key) ?? refuseOscoreFile(folder, ` has no ${key}`);
  const algorithm = data.get('algorithm');
  const aead = typeof algorithm === 'string' ? coseAead(algorithm)?.name : undefined;
  if (algorithm !== undefined && aead === undefined)
    refuseOscoreFile(folder, ': its algorithm is not one that OSCORE has here');
  const hash = data.get('kdf-hashfun');
  const hkdf = hash === undefined ? undefined : hashes[String(hash)];
  if (hash !== undefined && hkdf === undefined)
    refuseOscoreFile(folder, ': its kdf-hashfun is not sha256 or sha512');
  const window = data.get('window');
  if (window !== undefined && !isReplayWindow(window)) refuseOscoreFile(folder, ': window is 1 to 1024');
  const masterSalt = bytes('salt');
  const idContext = bytes('id-context');
  return {
    masterSecret: needed('secret'),
    senderId: needed('sender-id'),
    recipientId: needed('recipient-id'),
    ...(masterSalt !== undefined && { masterSalt }),
    ...(idContext !== undefined && { idContext }),
    ...(aead !== undefined && { aead }),
    ...(hkdf !== undefined && { hkdf }),
    ...(isReplayWindow(window) && { replayWindow: window }),
  };
}

/** The text of `settings.json` that aiocoap and `readOscoreFolder` read. */
export function formatOscoreSettings(parameters: OscoreParameters): string {
  const { masterSecret, masterSalt, senderId, recipientId, idContext, aead } = parameters;
  const { hkdf = 'SHA-256', replayWindow } = parameters;
  const settings = {
    'sender-id_hex': hexText(senderId),
    'recipient-id_hex': hexText(recipientId),
    secret_hex: hexText(masterSecret),
    ...(masterSalt !== undefined && { salt_hex: hexText(masterSalt) }),
    ...(idContext !== undefined && { 'id-context_hex': hexText(idContext) }),
    algorithm: coseAead(aead ?? 10)?.name,
    'kdf-hashfun': hkdf === 'SHA-256' ? 'sha256' : 'sha512',
    ...(replayWindow !== undefined && { window: replayWindow }),
  };
  return `${JSON.stringify(settings, null, 2)}\n`;
}

/** The numbers in `sequence.json`, with the lock that keeps other processes of ours away. */
export async function openOscoreSequence(folder: string): Promise<OscoreStore> {
  const path = join(folder, 'sequence.json');
  const lock = await openOscoreFile(path);
  /** aiocoap's word for a window that was lost; then we do not claim to know it either. */
  let isUnknown = false;
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
      const state = sequenceState(text) ?? refuseOscoreFile(path, ' is not what aiocoap keeps there');
      isUnknown = state.isUnknown;
      return state;
    },
    async save({ senderEdge, recipientEdge }) {
      const received = isUnknown ? 'unknown' : { index: recipientEdge, bitfield: 0 };
      await replaceFile(path, JSON.stringify({ 'next-to-send': senderEdge, received }));
    },
    close: () => lock.close(),
  };
}

const hashes: Readonly<Record<string, 'SHA-256' | 'SHA-512' | undefined>> = {
  sha256: 'SHA-256',
  sha512: 'SHA-512',
};

function datum(given: string, value: unknown): readonly [string, unknown] | undefined {
  const [, key, form] = /^(.*)_(hex|ascii)$/.exec(given) ?? [];
  if (key === undefined) return [given, value];
  if (typeof value !== 'string') return undefined;
  const bytes = form === 'hex' ? hexBytes(value) : new TextEncoder().encode(value);
  return bytes && [key, bytes];
}

function jsonFile(folder: string, file: string): object {
  let text: string;
  try {
    text = readFileSync(join(folder, file), 'utf8');
  } catch (error) {
    // One of the two is enough.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of JSON.parse quotes the text, which has the secret.
  }
  if (typeof value === 'object' && value !== null) return value;
  return refuseOscoreFile(join(folder, file), ' is not a JSON object');
}

/** The edges that `sequence.json` stands for. */
function sequenceState(text: string): (OscoreState & { readonly isUnknown: boolean }) | undefined {
  let value: { 'next-to-send'?: unknown; received?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { 'next-to-send': senderEdge, received } = value ?? {};
  if (!isEdge(senderEdge)) return undefined;
  // Nothing is fresh by its number then: an Echo has to show it (RFC 8613 Appendix B.1.2). A client has no use for it.
  if (received === 'unknown') return { senderEdge, recipientEdge: 2 ** 40, isUnknown: true };
  const { index, bitfield } = (received ?? {}) as { index?: unknown; bitfield?: unknown };
  if (!isEdge(index) || typeof bitfield !== 'number' || !(bitfield >= 0)) return undefined;
  const recipientEdge = index + (bitfield === 0 ? 0 : bitfield.toString(2).length);
  return { senderEdge, recipientEdge, isUnknown: false };
}

function isEdge(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2 ** 40;
}
