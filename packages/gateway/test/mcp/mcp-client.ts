/** `coapsule mcp` in this process, spoken to in lines. */
import type { TestContext } from 'node:test';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';

/** A message of the server. */
export interface McpMessage {
  readonly jsonrpc: string;
  readonly id: string | number | null;
  readonly result?: {
    readonly content?: readonly { readonly type: string; readonly text: string }[];
    readonly isError?: boolean;
    readonly tools?: readonly {
      readonly name: string;
      readonly annotations: { readonly readOnlyHint: boolean };
      readonly inputSchema: { readonly type: string };
    }[];
    readonly [name: string]: unknown;
  };
  readonly error?: { readonly code: number; readonly message: string; readonly data?: object };
}

/** A session; it ends with the test. */
export class McpClient {
  readonly messages: McpMessage[] = [];
  /** All that was written, for a search for keys. */
  output = '';
  readonly #input: Uint8Array[] = [];
  readonly #exit: Promise<number>;
  #isOver = false;
  #wakeInput: (() => void) | undefined;
  #wakeOutput: (() => void) | undefined;
  #nextId = 0;

  constructor(t: TestContext, ...args: readonly string[]) {
    const input = this.#lines();
    this.#exit = runCommandLine(['mcp', ...args], {
      ...processEnvironment(),
      stdout: { isTerminal: false, write: (data) => this.#take(String(data)) },
      stderr: {
        isTerminal: false,
        write: (data) => {
          this.output += String(data);
        },
      },
      standardInput: () => input,
      onInterrupt: () => () => {},
    });
    t.after(() => this.end());
  }

  /** Writes bytes as they are. */
  write(bytes: Uint8Array | string): void {
    this.#input.push(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes);
    this.#wakeInput?.();
  }

  /** Sends a notification. */
  notify(method: string, params: object): void {
    this.write(`${JSON.stringify({ jsonrpc: '2.0', method, params })}\n`);
  }

  /** Sends a request and does not wait; its id. */
  begin(method: string, params: object = {}): number {
    const id = ++this.#nextId;
    this.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    return id;
  }

  /** Sends a request and waits for its answer. */
  async ask(method: string, params: object = {}): Promise<McpMessage> {
    const id = this.begin(method, params);
    return this.message((message) => message.id === id);
  }

  /** Calls a tool; its text and whether it is an error. */
  async call(
    name: string,
    given: object = {},
  ): Promise<{ readonly text: string; readonly isError: boolean }> {
    const { result, error } = await this.ask('tools/call', { name, arguments: given });
    if (result?.content === undefined) throw new Error(`${name}: ${JSON.stringify(error)}`);
    return { text: result.content.map(({ text }) => text).join(''), isError: result.isError === true };
  }

  /** The first message that fits, past or to come. */
  async message(fits: (message: McpMessage) => boolean): Promise<McpMessage> {
    for (;;) {
      const found = this.messages.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wakeOutput = resolve;
      });
    }
  }

  /** Closes standard input; the exit code. */
  end(): Promise<number> {
    this.#isOver = true;
    this.#wakeInput?.();
    return this.#exit;
  }

  #take(text: string): void {
    this.output += text;
    for (const line of text.split('\n')) if (line !== '') this.messages.push(JSON.parse(line));
    this.#wakeOutput?.();
  }

  async *#lines(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#input.shift();
      if (next !== undefined) yield next;
      else if (this.#isOver) return;
      else
        await new Promise<void>((resolve) => {
          this.#wakeInput = resolve;
        });
    }
  }
}

/** A session after the handshake of 2025-11-25. */
export async function connectedClient(t: TestContext, ...args: readonly string[]): Promise<McpClient> {
  const client = new McpClient(t, ...args);
  await client.ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  });
  client.notify('notifications/initialized', {});
  return client;
}
