/**
 * One client of the Model Context Protocol: what it may ask, and the calls under way.
 *
 * Tools alone: no resources, prompts, sampling, logging. Lines go in and out; what a tool does is done by `runTool`.
 *
 * @module
 */

import { argumentProblem } from './input-schema.ts';
import {
  ErrorCode,
  errorLine,
  isObject,
  isRequestId,
  type JsonObject,
  type RequestId,
  type RpcError,
  readMessage,
  resultLine,
} from './json-rpc.ts';
import type { McpTool } from './mcp-tool.ts';
import { eraOf, negotiatedVersion, statelessResult, statelessVersion } from './protocol-version.ts';

/** What a call came to. */
export interface ToolOutcome {
  readonly text: string;
  readonly isError: boolean;
}

/** What a session needs. */
export interface SessionParts {
  readonly tools: readonly McpTool[];
  readonly version: string;
  readonly instructions: string;
  /** Carries a call out; arguments fit the schema. */
  readonly runTool: (tool: McpTool, given: JsonObject, signal: AbortSignal) => Promise<ToolOutcome>;
  /** Takes a line with its line feed. */
  readonly write: (line: string) => void;
}

/** Calls at the same time. */
const mostCalls = 8;
/** How long a client may keep the list of tools, which does not change. */
const listLifetimeMs = 3_600_000;

type Era = 'handshake' | 'stateless';

/** See the module comment. */
export class McpSession {
  readonly #parts: SessionParts;
  readonly #calls = new Map<RequestId, { readonly abort: AbortController; readonly done: Promise<void> }>();
  #isInitialized = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Takes one line without its line feed. */
  receive(line: string): void {
    const message = readMessage(line);
    switch (message.kind) {
      case 'fault':
        this.#write(errorLine(message.id, message.error));
        return;
      case 'response':
        return;
      case 'notification':
        if (message.method === 'notifications/cancelled') this.#cancel(message.params['requestId']);
        return;
      case 'request':
        this.#request(message.id, message.method, message.params);
    }
  }

  /** Tells of a line that could not be taken. */
  refuse(code: number, message: string): void {
    this.#write(errorLine(null, { code, message }));
  }

  /** Ends all calls. */
  async close(): Promise<void> {
    const calls = [...this.#calls.values()];
    for (const { abort } of calls) abort.abort();
    await Promise.all(calls.map(({ done }) => done));
  }

  #request(id: RequestId, method: string, params: JsonObject): void {
    if (this.#calls.has(id)) {
      this.#write(
        errorLine(id, { code: ErrorCode.InvalidRequest, message: 'a request with this id is under way' }),
      );
      return;
    }
    const era = eraOf(params);
    if (typeof era === 'object') {
      this.#write(errorLine(id, era));
      return;
    }
    if (method === 'tools/call') {
      this.#call(id, params, era);
      return;
    }
    const answer = era === 'stateless' ? this.#stateless(method) : this.#handshake(method, params);
    this.#write('code' in answer ? errorLine(id, answer as RpcError) : resultLine(id, answer));
  }

  /** Revisions that begin with `initialize`. */
  #handshake(method: string, params: JsonObject): JsonObject | RpcError {
    switch (method) {
      case 'initialize': {
        const { protocolVersion } = params;
        if (typeof protocolVersion !== 'string') {
          return { code: ErrorCode.InvalidParams, message: '"protocolVersion" has to be a text' };
        }
        this.#isInitialized = true;
        return {
          protocolVersion: negotiatedVersion(protocolVersion),
          capabilities: { tools: {} },
          serverInfo: this.#serverInfo,
          instructions: this.#parts.instructions,
        };
      }
      case 'ping':
        return {};
      case 'tools/list':
        return this.#isInitialized ? { tools: this.#listed } : notInitialized;
      default:
        return unknownMethod(method);
    }
  }

  /** The revision whose requests stand alone. */
  #stateless(method: string): JsonObject | RpcError {
    const lifetime = { ttlMs: listLifetimeMs, cacheScope: 'private' };
    switch (method) {
      case 'server/discover':
        return statelessResult(
          {
            supportedVersions: [statelessVersion],
            capabilities: { tools: {} },
            instructions: this.#parts.instructions,
            ...lifetime,
          },
          this.#serverInfo,
        );
      case 'tools/list':
        return statelessResult({ tools: this.#listed, ...lifetime }, this.#serverInfo);
      default:
        return unknownMethod(method);
    }
  }

  #call(id: RequestId, params: JsonObject, era: Era): void {
    const { name, arguments: given = {} } = params;
    const tool = this.#parts.tools.find((one) => one.name === name);
    const error: RpcError | undefined =
      era === 'handshake' && !this.#isInitialized
        ? notInitialized
        : tool === undefined
          ? {
              code: ErrorCode.InvalidParams,
              message:
                typeof name === 'string' ? `Unknown tool: ${name.slice(0, 100)}` : '"name" has to be a text',
            }
          : isObject(given)
            ? undefined
            : { code: ErrorCode.InvalidParams, message: '"arguments" has to be an object' };
    if (error !== undefined || tool === undefined || !isObject(given)) {
      this.#write(errorLine(id, error as RpcError));
      return;
    }
    const problem = argumentProblem(given, tool.inputSchema);
    // As a result, and not as an error of the protocol: the assistant is to read it, and do better.
    if (problem !== undefined) {
      this.#answer(id, era, { text: `${tool.name}: ${problem}`, isError: true });
      return;
    }
    if (this.#calls.size >= mostCalls) {
      this.#answer(id, era, {
        text: `${mostCalls} calls are under way: wait for one of them`,
        isError: true,
      });
      return;
    }
    const abort = new AbortController();
    const done = this.#parts.runTool(tool, given, abort.signal).then(
      (outcome) => this.#ended(id, era, abort.signal, outcome),
      (failure: unknown) =>
        this.#ended(id, era, abort.signal, {
          text: `${tool.name} failed: ${failure instanceof Error ? failure.message : String(failure)}`,
          isError: true,
        }),
    );
    this.#calls.set(id, { abort, done });
  }

  #ended(id: RequestId, era: Era, signal: AbortSignal, outcome: ToolOutcome): void {
    this.#calls.delete(id);
    // Cancellation: nothing more is sent for the request.
    if (!signal.aborted) this.#answer(id, era, outcome);
  }

  #answer(id: RequestId, era: Era, { text, isError }: ToolOutcome): void {
    const result = { content: [{ type: 'text', text }], isError };
    this.#write(resultLine(id, era === 'stateless' ? statelessResult(result, this.#serverInfo) : result));
  }

  #cancel(requestId: unknown): void {
    if (isRequestId(requestId)) this.#calls.get(requestId)?.abort.abort();
  }

  get #serverInfo(): JsonObject {
    return { name: 'coapsule', title: 'coapsule', version: this.#parts.version };
  }

  get #listed(): readonly JsonObject[] {
    return this.#parts.tools.map(({ name, title, description, inputSchema, changes, isRemote }) => ({
      name,
      title,
      description,
      inputSchema,
      annotations: { title, readOnlyHint: !changes, destructiveHint: changes, openWorldHint: isRemote },
    }));
  }

  #write(line: string): void {
    this.#parts.write(line);
  }
}

const notInitialized: RpcError = {
  code: ErrorCode.InvalidRequest,
  message: `send "initialize" first, or name the protocol version ${statelessVersion} in "_meta"`,
};

function unknownMethod(method: string): RpcError {
  return { code: ErrorCode.MethodNotFound, message: `Method not found: ${method.slice(0, 100)}` };
}
