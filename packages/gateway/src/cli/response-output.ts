/**
 * Prints responses: payload or JSON on standard output, everything else on standard error.
 *
 * @module
 */

import type { Response, StreamedResponse } from 'coapsule';
import { printable, printableJson, printableUtf8 } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { type ExitCode, exitCodeOfResponse } from './exit-code.ts';
import { codeLabel } from './message-text.ts';
import { type FileWriting, PayloadOutput } from './payload-output.ts';
import { responseJson } from './response-json.ts';

/** What to try after an error response, by code. */
const nextSteps: Readonly<Record<string, string>> = {
  '4.00': 'the server does not understand the request: check query, options and payload',
  '4.01': 'the resource wants to know who asks: use coaps:// with -u ID and -k KEY',
  '4.02': 'the server does not know an option that it must know: check -O',
  '4.03': 'what an identity may do is shown by "coapsule device show ID" at the gateway',
  '4.04': 'list what there is with "coapsule discover"; the readings of a gateway are listed at /sensors',
  '4.05': 'the resource does not offer this method: try another verb',
  '4.06': 'the resource has no such content format: check -A',
  '4.08': 'the server lost a part of the upload: try again',
  '4.09': 'the request conflicts with the state of the resource: read it first',
  '4.12': 'a condition (If-Match, If-None-Match) does not hold: read the resource first',
  '4.13': 'the payload is too large for the server: send less',
  '4.15': 'the server does not take this content format: check -t',
  '4.22': 'the server understands the format but not the content of the payload',
  '4.29': 'too many requests: wait a little',
  '5.00': 'the server failed: look at its log',
  '5.01': 'the server does not know this method',
  '5.03': 'the server is busy: try again later',
};

/** Longest diagnostic text that is shown, in characters. */
const maxDiagnostic = 1000;

/** What options say about the output of responses. */
interface OutputOptions {
  readonly json?: boolean;
  readonly output?: string;
  readonly prettyPrint?: boolean;
}

/**
 * Output that is for people where people read along: on a terminal, unless options say otherwise. A file, and standard
 * output where it is named, get payloads as they came.
 */
export async function openResponseOutput(
  uri: string,
  options: OutputOptions,
  environment: CommandEnvironment,
  writing: FileWriting = 'whole',
): Promise<ResponseOutput> {
  const isPretty = options.prettyPrint ?? (environment.stdout.isTerminal && options.output === undefined);
  // What reads CBOR is loaded for those who want it alone: others start faster.
  const pretty = isPretty ? (await import('../payload/pretty-payload.ts')).prettyPayload : undefined;
  return new ResponseOutput(uri, options, environment, writing, pretty);
}

/** Prints the responses to one request. */
export class ResponseOutput {
  readonly #uri: string;
  readonly #json: boolean;
  readonly #environment: CommandEnvironment;
  readonly #payloads: PayloadOutput;
  readonly #pretty: ((payload: Uint8Array, contentFormat: number | undefined) => string) | undefined;

  constructor(
    uri: string,
    options: OutputOptions,
    environment: CommandEnvironment,
    writing: FileWriting = 'whole',
    pretty?: (payload: Uint8Array, contentFormat: number | undefined) => string,
  ) {
    this.#uri = uri;
    this.#json = options.json === true;
    this.#environment = environment;
    this.#payloads = new PayloadOutput(environment.stdout, options.output, writing);
    this.#pretty = pretty;
  }

  /** Prints one response and returns the exit code that it stands for. */
  response(response: Response, isNotification: boolean): ExitCode {
    if (this.#json) this.#environment.stdout.write(`${printableJson(responseJson(this.#uri, response))}\n`);
    if (!response.ok) this.#error(response);
    else {
      if (!this.#json || this.#payloads.isFile) this.#payload(response, isNotification);
      if (!this.#json) this.#location(response);
    }
    return exitCodeOfResponse(response.code);
  }

  /** Whether payloads go to a file of their own. */
  get isFile(): boolean {
    return this.#payloads.isFile;
  }

  /** Writes a response as it comes; a part of one is not left behind when it breaks off. */
  async streamed(response: StreamedResponse): Promise<ExitCode> {
    const diagnostic: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const part of response.body) {
        if (response.ok) this.#payloads.bytes(part);
        else diagnostic.push(part);
        length += part.length;
        if (!response.ok && length > 4 * maxDiagnostic) break;
      }
    } catch (error) {
      this.#payloads.abandon();
      throw error;
    }
    if (response.ok) this.#location(response);
    else {
      const { Response } = await import('coapsule');
      const payload = Buffer.concat(diagnostic);
      this.#error(new Response({ ...response, payload }, response.peer, response));
    }
    return exitCodeOfResponse(response.code);
  }

  close(): void {
    this.#payloads.close();
  }

  #payload({ payload, contentFormat }: Response, isNotification: boolean): void {
    const shown =
      this.#pretty === undefined || payload.length === 0
        ? payload
        : new TextEncoder().encode(this.#pretty(payload, contentFormat));
    this.#payloads.payload(shown, isNotification);
  }

  #location({ code, locationPath }: Pick<Response, 'code' | 'locationPath'>): void {
    if (locationPath === undefined) return;
    this.#environment.stderr.write(`${codeLabel(code)}: ${printable(locationPath)}\n`);
  }

  /** The payload of an error response is a diagnostic text for people (RFC 7252 §5.5.2), or has one in it (RFC 9290). */
  #error(response: Response): void {
    const text =
      response.problem === undefined ? response.payload : new TextEncoder().encode(response.diagnostic);
    const diagnostic = printableUtf8(text, maxDiagnostic);
    const nextStep = nextSteps[response.codeText];
    this.#environment.stderr.write(
      `${codeLabel(response.code)}${diagnostic === undefined || diagnostic === '' ? '' : `: ${diagnostic}`}\n`,
    );
    if (nextStep !== undefined) this.#environment.stderr.write(`  ${nextStep}\n`);
  }
}
