/**
 * What a command needs from the process it runs in.
 *
 * Commands take it as a parameter, so that tests run them with a client and streams of their own.
 *
 * @module
 */

import type { Client, ClientOptions } from 'coapsule';

/** The part of the library's client that the verbs use. */
export type CommandClient = Pick<
  Client,
  | 'request'
  | 'stream'
  | 'observe'
  | 'ping'
  | 'close'
  | 'importAssociation'
  | 'exportAssociation'
  | 'multicast'
  | 'discoverDevices'
  | 'lines'
>;

/** Where output goes. */
export interface OutputStream {
  write(data: Uint8Array | string): void;
  /** True when a person reads along. */
  readonly isTerminal: boolean;
}

/** Streams, environment variables, signals, time and the client of one run of a command. */
export interface CommandEnvironment {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** All of standard input. */
  readStandardInput(): Promise<Uint8Array>;
  /** Standard input as it comes. */
  standardInput(): AsyncIterable<Uint8Array>;
  /** Both ends of the terminal, where standard input and output are one. */
  terminal?():
    | {
        readonly input: NodeJS.ReadableStream;
        readonly output: NodeJS.WritableStream;
      }
    | undefined;
  /**
   * What somebody types at the terminal without being seen.
   *
   * @returns undefined where standard input is no terminal.
   */
  askSecretly?(question: string): Promise<string> | undefined;
  createClient(options: ClientOptions): Promise<CommandClient>;
  /** Calls back on SIGINT and SIGTERM until the returned function is called. */
  onInterrupt(listener: () => void): () => void;
  /** Calls back once after `delayMs` milliseconds unless the returned function is called before. */
  after(delayMs: number, action: () => void): () => void;
  randomBytes(length: number): Uint8Array;
  /** Wall-clock time as milliseconds since 1970. */
  wallTimeMs(): number;
}

/** Runs a command line in an environment; its exit code. */
export type RunLine = (args: readonly string[], environment: CommandEnvironment) => Promise<number>;
