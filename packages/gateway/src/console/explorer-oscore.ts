/**
 * The OSCORE Security Contexts that the explorer is a client with: open for as long as requests use them, one for all requests that
 * use it at once, and their numbers in the store (store/explorer-table.ts).
 *
 * RFC 8613 §7.2.1: no number is used twice under one key. So who gives a context says which number is the first that nobody has used;
 * what this gateway has used of it is known by a digest of what its keys come from, under whatever name it is given again.
 */
import { createHash } from 'node:crypto';
import { OscoreContext } from 'coapsule';
import { coseAead, defaultAead } from 'coapsule/oscore';
import { parseOscoreConf, usedMark } from '../cli/oscore-conf.ts';
import type { OscoreParameters } from '../cli/oscore-parameters.ts';
import type { ExplorerTable } from '../store/explorer-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { ExplorerOscore } from './api-types.ts';
import { refused } from './peer-problem.ts';

/** A context that was understood. */
export interface ExplorerContext {
  readonly parameters: OscoreParameters;
  /** No number at or above it was used by anybody. */
  readonly firstNumber: number;
}

/** RFC 8613 §7.2.1: numbers are below. */
const numberEnd = 2 ** 40;

/** @throws ApiFailure for a text that is no context. It quotes nothing of it: there is the Master Secret in it. */
export function explorerContext({ contextText, firstNumber }: ExplorerOscore): ExplorerContext {
  const parameters = refused(() => parseOscoreConf(contextText, 'the OSCORE context'));
  if (firstNumber >= numberEnd)
    throw new ApiFailure(
      'invalid',
      `the first number is ${firstNumber}, and numbers end at 2^40 (RFC 8613 §7.2.1)`,
      'agree on a new context with the server',
    );
  if (firstNumber === 0 && contextText.includes(usedMark))
    throw new ApiFailure(
      'invalid',
      'this context was in use, and the first number is 0: numbers would be used twice (RFC 8613 §7.2.1)',
      'take the first number that was not used from its .sequence file, or make a new context with coapsule keys oscore',
    );
  return { parameters, firstNumber };
}

interface OpenContext {
  readonly opening: Promise<OscoreContext>;
  users: number;
  /** Its exact numbers are being kept. */
  closing: Promise<void> | undefined;
}

/** A context that is used, until it is given back. */
export interface TakenContext {
  readonly context: OscoreContext;
  release(): void;
}

/** See the module comment. */
export class ExplorerContexts {
  readonly #table: Pick<ExplorerTable, 'edges' | 'saveEdges'>;
  readonly #open = new Map<string, OpenContext>();
  readonly #onError: (error: unknown) => void;

  /** @param onError Is told of numbers that could not be kept exactly: some are left out then. */
  constructor(table: Pick<ExplorerTable, 'edges' | 'saveEdges'>, onError: (error: unknown) => void) {
    this.#table = table;
    this.#onError = onError;
  }

  /** @throws ApiFailure for parameters that no context can have. */
  async take(given: ExplorerContext): Promise<TakenContext> {
    const digest = digestOf(given.parameters);
    const key = digest.toString('hex');
    let open = this.#open.get(key);
    while (open?.closing !== undefined) {
      await open.closing;
      open = this.#open.get(key);
    }
    if (open === undefined) {
      open = { opening: this.#opened(given, digest), users: 0, closing: undefined };
      this.#open.set(key, open);
    }
    const taken = open;
    taken.users++;
    try {
      return { context: await taken.opening, release: once(() => this.#release(key, taken)) };
    } catch (error) {
      if (this.#open.get(key) === taken) this.#open.delete(key);
      throw refusal(error);
    }
  }

  #opened({ parameters, firstNumber }: ExplorerContext, digest: Buffer): Promise<OscoreContext> {
    // What it is derived anew with is random: there are no numbers to be kept (RFC 8613 Appendix B.2).
    if (parameters.deriveAnew !== undefined) return OscoreContext.open(parameters);
    const table = this.#table;
    return OscoreContext.open({
      ...parameters,
      store: {
        async load() {
          const { senderEdge = 0, recipientEdge = 0 } = table.edges(digest) ?? {};
          return { senderEdge: Math.max(senderEdge, firstNumber), recipientEdge };
        },
        async save(edges) {
          if (!table.saveEdges(digest, edges))
            throw new Error(
              'the explorer has used too many OSCORE contexts: no numbers of another one are kept',
            );
        },
      },
    });
  }

  #release(key: string, open: OpenContext): void {
    if (--open.users > 0) return;
    // Who comes meanwhile waits: numbers that are read before these are written would be used twice.
    open.closing = open.opening
      .then((context) => context.close())
      .catch(this.#onError)
      .finally(() => this.#open.delete(key));
  }
}

/** Of all that its Sender Key and Common IV are derived from (RFC 8613 §3.2.1). */
function digestOf({ masterSecret, masterSalt, idContext, senderId, aead, hkdf }: OscoreParameters): Buffer {
  const hash = createHash('sha256').update('coapsule explorer OSCORE 1');
  // No salt is an empty one (RFC 8613 §3.2); no ID Context is another thing than an empty one.
  for (const part of [masterSecret, masterSalt ?? new Uint8Array(), idContext, senderId]) {
    hash.update(part === undefined ? 'none,' : `${part.length},`);
    if (part !== undefined) hash.update(part);
  }
  return hash.update(`${coseAead(aead ?? defaultAead)?.number},${hkdf ?? 'SHA-256'}`).digest();
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}

function refusal(error: unknown): unknown {
  const { message, code } = error as { readonly message: string; readonly code?: unknown };
  return code === 'ERR_API_MISUSE' ? new ApiFailure('invalid', `the OSCORE context: ${message}`) : error;
}
