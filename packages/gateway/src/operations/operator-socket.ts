/**
 * How commands on the same machine ask a gateway that runs: a Unix socket in its data folder, for who may use the folder.
 *
 * A question is one line of JSON, the answer is one, and the connection ends. There is none on Windows, and none where the path of
 * the folder is longer than the system lets sockets be; the gateway works without it.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { GatewayOperations, PeersPage } from './gateway-operations.ts';

/** What can be asked. */
interface OperatorQuestions {
  /** Who is connected. `after` is `next` of the page before. */
  readonly peers: {
    readonly ask: { readonly limit: number; readonly after?: string | undefined };
    readonly answer: PeersPage;
  };
  /** Devices in the store were changed: answered when the gateway knows them. */
  readonly 'devices-changed': { readonly ask: object; readonly answer: null };
}

/** One question. */
export type OperatorQuestion<K extends keyof OperatorQuestions = keyof OperatorQuestions> = {
  readonly [Kind in K]: { readonly ask: Kind } & OperatorQuestions[Kind]['ask'];
}[K];

type OperatorAnswer<K extends keyof OperatorQuestions> =
  | { readonly answer: OperatorQuestions[K]['answer'] }
  | { readonly error: string };

/** Who answers. */
type Operated = Pick<GatewayOperations, 'peers' | 'devicesChanged'>;

/** The shortest that a system has (`sun_path`), with its zero at the end. */
const longestPath = 103;

const longestLine = 4096;
const mostConnections = 16;
const patienceMs = 5000;
/** A page of a thousand peers has less than a megabyte. */
const longestAnswer = 16 * 1024 * 1024;

/** Where it is. */
export function operatorSocketPath(dataFolder: string): string {
  return join(resolve(dataFolder), 'gateway.sock');
}

/** See the module comment. */
export class OperatorSocket {
  readonly #server: Server;

  /**
   * Opens it in a folder that this process has claimed.
   *
   * @param warn is told why there is none, where there could be one.
   * @returns undefined when there is none.
   */
  static async open(
    dataFolder: string,
    operations: Operated,
    warn: (text: string) => void,
  ): Promise<OperatorSocket | undefined> {
    const path = operatorSocketPath(dataFolder);
    if (process.platform === 'win32') return undefined;
    if (Buffer.byteLength(path) > longestPath) {
      warn(`commands cannot ask this gateway: ${path} is too long for a socket`);
      return undefined;
    }
    const socket = new OperatorSocket(operations);
    try {
      // Of a process that was killed: the folder is ours.
      if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path);
      await new Promise<void>((opened, failed) => {
        socket.#server.once('error', failed).listen(path, opened);
      });
      chmodSync(path, 0o600);
      socket.#server.on('error', (error) => warn(`${path}: ${error.message}`));
      return socket;
    } catch (error) {
      socket.#server.close();
      warn(`commands cannot ask this gateway: ${(error as Error).message}`);
      return undefined;
    }
  }

  private constructor(operations: Operated) {
    this.#server = createServer((socket) => void answer(socket, operations));
    this.#server.maxConnections = mostConnections;
    this.#server.unref();
  }

  /** Its file is gone then. */
  async close(): Promise<void> {
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }
}

/**
 * Asks the gateway that has a data folder.
 *
 * @throws NodeJS.ErrnoException (rejects) where none listens: ENOENT, ECONNREFUSED, EACCES; Error for what it answers.
 */
export async function askGateway<K extends keyof OperatorQuestions>(
  dataFolder: string,
  question: OperatorQuestion<K>,
): Promise<OperatorQuestions[K]['answer']> {
  const socket = connect(operatorSocketPath(dataFolder));
  socket.setTimeout(patienceMs, () => socket.destroy(new Error('the gateway does not answer')));
  socket.write(`${JSON.stringify(question)}\n`);
  const answered = JSON.parse(await lineOf(socket, longestAnswer)) as OperatorAnswer<K>;
  if ('error' in answered) throw new Error(answered.error);
  return answered.answer;
}

async function answer(socket: Socket, operations: Operated): Promise<void> {
  socket.on('error', () => {});
  socket.setTimeout(patienceMs, () => socket.destroy());
  let told: OperatorAnswer<keyof OperatorQuestions>;
  try {
    const question = JSON.parse(await lineOf(socket, longestLine)) as Partial<OperatorQuestion> | null;
    told = { answer: await answerTo(question, operations) };
  } catch (error) {
    told = { error: (error as Error).message };
  }
  if (!socket.destroyed) socket.end(`${JSON.stringify(told)}\n`);
}

async function answerTo(
  question: Partial<OperatorQuestion> | null,
  operations: Operated,
): Promise<PeersPage | null> {
  if (question?.ask === 'devices-changed') {
    await operations.devicesChanged();
    return null;
  }
  if (question?.ask !== 'peers') throw new Error('this gateway does not know the question');
  const { limit, after } = question;
  if (!Number.isInteger(limit) || (limit as number) < 1 || (limit as number) > 1000)
    throw new RangeError('limit is 1 to 1000');
  if (after !== undefined && typeof after !== 'string') throw new RangeError('after is no text');
  return operations.peers(limit as number, after);
}

/** The first line that comes, without its end. */
async function lineOf(socket: Socket, longest: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolved, rejected) => {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (chunk.includes(0x0a)) {
        socket.pause();
        resolved(Buffer.concat(chunks).toString('utf8').split('\n', 1)[0] as string);
      } else if (length > longest) rejected(new Error('the line is too long'));
    });
    socket.once('error', rejected);
    socket.once('close', () => rejected(new Error('the connection ended without an answer')));
  });
}
