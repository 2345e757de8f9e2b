/**
 * `coapsule client`: libcoap's coap-client, so that scripts written for it run.
 *
 * Payloads go to standard output with one line feed at the end of all; error responses as `4.04 diagnostic` to
 * standard error; log lines in libcoap's form to standard output, where libcoap has them. The exit code is 0 once a
 * request was sent, whatever came of it, and 1 when none could be. What libcoap leaves unsaid, the cause and the
 * next step of a failure, is added on standard error.
 *
 * Differences: certificates are verified unless `-n` says otherwise; `-E` keeps sequence numbers also without SEQ_FILE; a few
 * flags are refused by name (coap-client-flag-table.ts).
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import type { RequestOptions, Response } from 'coapsule';
import { codeOfMethod, encodeBlock, type Method, OptionNumber, szxOf } from 'coapsule/message';
import { withClient } from './client-session.ts';
import { coapClientCredentials } from './coap-client-credentials.ts';
import { type CoapClientRequest, parseCoapClientFlags } from './coap-client-flags.ts';
import { libcoapLog, messageLogger } from './coap-client-log.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure, reportText } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { SilentServer } from './handshake-progress.ts';
import { followObservation } from './observe-verb.ts';
import { PayloadOutput } from './payload-output.ts';
import { interruptible } from './request-verb.ts';
import { expectOneServer, targetUri } from './target-uri.ts';

/** coap-client's own defaults, in seconds. */
const defaultWaitSeconds = 90;
const repeatDelayMs = 1000;

/** Tokens of more bytes are RFC 8974. */
const baseTokenLength = 8;

const usage = `Usage: coapsule client [options] URI
(all flags: coapsule client --help)
`;

/** Runs a coap-client command line. */
export async function runCoapClient(
  args: readonly string[],
  environment: CommandEnvironment,
): Promise<number> {
  const { stderr } = environment;
  const request = parseCoapClientFlags(args);
  if ('refused' in request) {
    stderr.write(`coap-client: ${request.refused}\n${request.showUsage ? usage : ''}`);
    return 1;
  }
  const log = libcoapLog(environment, request.logLevel);
  for (const warning of request.warnings) log('warning', warning);
  try {
    expectOneServer(targetUri(request.uri), 'this command asks one server');
    if (request.proxy !== undefined) targetUri(request.proxy);
  } catch (error) {
    log('error', `invalid CoAP URI '${request.uri}'`);
    explain(error, environment);
    return 1;
  }
  const output = new CoapClientOutput(request, environment);
  try {
    await exchange(request, output, environment);
    return 0;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ERR_ADDRESS') log('error', 'failed to resolve address');
    else if (!isUnsaid(code, request.uri)) log('error', 'cannot send CoAP pdu');
    explain(error, environment);
    return code === 'ERR_ADDRESS' || (error instanceof CommandFailure && !(error instanceof SilentServer))
      ? 1
      : 0;
  } finally {
    output.close();
  }
}

/** Where libcoap prints nothing at its default level: when -B is over, and for a Reset. */
function isUnsaid(code: unknown, uri: string): boolean {
  return code === 'ERR_RESET' || (code === 'ERR_TIMEOUT' && !uri.toLowerCase().startsWith('coaps'));
}

function explain(error: unknown, environment: CommandEnvironment): void {
  environment.stderr.write(reportText('coap-client', error));
}

async function exchange(
  request: CoapClientRequest,
  output: CoapClientOutput,
  environment: CommandEnvironment,
): Promise<void> {
  const method = methodNamed(request.method);
  if (method === undefined) {
    // coap-client sends the unknown code 0.08, and prints what servers say to it.
    environment.stderr.write('4.05 Method Not Allowed\n');
    return;
  }
  const { proxy } = request;
  const uri = targetUri(targetText(request));
  const payload = await payloadOf(request, environment);
  const trace = messageLogger(environment, request);
  const hop = proxy === undefined ? uri : targetUri(carried(request, proxy));
  const credentials = hop.secure ? coapClientCredentials(request, environment) : undefined;
  const options = {
    ...(request.loss !== undefined && { loss: request.loss }),
    ...(request.blockSize !== undefined && { blockSize: request.blockSize }),
    ...(proxy !== undefined && { proxy: carried(request, proxy) }),
    ems: false, // libcoap takes servers without it too
  };
  const bind = {
    ...(request.bindHost !== undefined && { host: request.bindHost }),
    ...(request.bindPort !== undefined && { port: request.bindPort }),
  };
  const use = (client: CommandClient): Promise<void> =>
    interruptible(environment, async (signal) => {
      try {
        await sendAll(client, request, method, payload, output, environment, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    });
  await withClient(uri, options, environment, use, {
    ...(credentials !== undefined && { credentials }),
    ...(request.oscore !== undefined && { oscore: request.oscore }),
    ...(request.proxyScheme && { proxyScheme: true }),
    ...(trace !== undefined && { trace }),
    ...(Object.keys(bind).length > 0 && { bind }),
    clientOptions: {
      ...(request.maxMessageSize !== undefined && { maxMessageSize: request.maxMessageSize }),
      ...(request.keepAliveSeconds !== undefined && { keepAliveMs: request.keepAliveSeconds * 1000 }),
      ...(request.token !== undefined &&
        request.token.length > baseTokenLength && { maxTokenLength: request.token.length }),
    },
  });
}

/** What is asked for; to a proxy it is the way there that `-r` changes. */
function targetText(request: CoapClientRequest): string {
  return request.proxy === undefined ? carried(request, request.uri) : request.uri;
}

/** With `-r` it is TCP or TLS that a URI means. */
function carried({ reliable }: CoapClientRequest, uri: string): string {
  return reliable ? uri.replace(/^coaps?(?=:\/\/)/i, '$&+tcp') : uri;
}

async function sendAll(
  client: CommandClient,
  request: CoapClientRequest,
  method: Method,
  payload: Uint8Array | undefined,
  output: CoapClientOutput,
  environment: CommandEnvironment,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; round < request.repeatCount && !signal.aborted; round++) {
    if (round > 0) await new Promise<void>((resolve) => void environment.after(repeatDelayMs, resolve));
    const options = requestOptions(request, method, payload, round);
    if (request.observeSeconds !== undefined && round === 0) {
      await observe(client, request, options, output, environment);
    } else {
      output.response(await requestOnce(client, request, method, { ...options, signal }));
    }
  }
}

/** A server that does not speak RFC 8974 is asked again with as much of the token as RFC 7252 has room for. */
async function requestOnce(
  client: CommandClient,
  request: CoapClientRequest,
  method: Method,
  options: RequestOptions,
): Promise<Response> {
  const { token } = options;
  try {
    return await client.request(method, targetText(request), options);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_RESET' || (token?.length ?? 0) <= baseTokenLength)
      throw error;
    return client.request(method, targetText(request), {
      ...options,
      token: token!.subarray(0, baseTokenLength),
    });
  }
}

async function observe(
  client: CommandClient,
  request: CoapClientRequest,
  options: RequestOptions,
  output: CoapClientOutput,
  environment: CommandEnvironment,
): Promise<void> {
  await followObservation(
    client.observe(targetText(request), options),
    request.observeSeconds,
    environment,
    (response) => {
      output.response(response);
      return ExitCode.Success;
    },
  );
}

function methodNamed(name: string): Method | undefined {
  const method = name.toUpperCase() as Method;
  return ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'].includes(method) ? method : undefined;
}

async function payloadOf(
  request: CoapClientRequest,
  environment: CommandEnvironment,
): Promise<Uint8Array | undefined> {
  if (request.payload === undefined) return undefined;
  if (request.payload.kind === 'bytes') return request.payload.bytes;
  if (request.payload.path === '-') return environment.readStandardInput();
  try {
    return readFileSync(request.payload.path);
  } catch (error) {
    // coap-client says so and sends the request without payload.
    environment.stderr.write(`cmdline_input_from_file: fopen: ${(error as Error).message}\n`);
    return undefined;
  }
}

function requestOptions(
  request: CoapClientRequest,
  method: Method,
  payload: Uint8Array | undefined,
  round: number,
): RequestOptions {
  const options = [...request.options];
  if (
    request.blockNumber !== undefined &&
    (codeOfMethod(method) === codeOfMethod('GET') || method === 'FETCH')
  ) {
    const szx = szxOf(request.blockSize ?? 1024);
    options.push({
      number: OptionNumber.Block2,
      value: encodeBlock({ num: request.blockNumber, more: false, szx }),
    });
  }
  return {
    ...(payload !== undefined && { payload }),
    ...(request.contentFormat !== undefined && { contentFormat: request.contentFormat }),
    ...(request.accept !== undefined && { accept: request.accept }),
    confirmable: request.confirmable,
    ...(request.blockSize !== undefined && { blockSize: request.blockSize }),
    ...(request.qBlock && { qBlock: true }),
    // Each request of -G has the next token, counted up from the first.
    ...(request.token !== undefined && { token: incremented(request.token, round) }),
    ...(options.length > 0 && { options }),
    timeoutMs: (request.waitSeconds ?? defaultWaitSeconds) * 1000,
  };
}

function incremented(token: Uint8Array, by: number): Uint8Array {
  const next = Uint8Array.from(token);
  let carry = by;
  for (let index = next.length - 1; index >= 0 && carry > 0; index--) {
    carry += next[index]!;
    next[index] = carry & 0xff;
    carry >>= 8;
  }
  return next;
}

/** Payloads and error responses as coap-client prints them. */
class CoapClientOutput {
  readonly #payloads: PayloadOutput;
  readonly #request: CoapClientRequest;
  readonly #environment: CommandEnvironment;
  #hasOutput = false;

  constructor(request: CoapClientRequest, environment: CommandEnvironment) {
    this.#payloads = new PayloadOutput(environment.stdout, request.output, 'as it comes');
    this.#request = request;
    this.#environment = environment;
  }

  response(response: Response): void {
    if (response.ok) {
      if (response.payload.length === 0) return;
      this.#hasOutput = true;
      this.#payloads.bytes(response.payload);
      if (this.#request.appendLineFeed) this.#payloads.bytes(Uint8Array.of(0x0a));
    } else if (response.code >= 0x80) {
      const text = Array.from(response.payload, (byte) =>
        byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
      ).join('');
      this.#environment.stderr.write(`${response.codeText}${text === '' ? '' : ` ${text}`}\n`);
    }
  }

  /** After the last payload comes a line feed, unless `-o` was given. */
  close(): void {
    if (this.#hasOutput && this.#request.output === undefined) this.#environment.stdout.write('\n');
    this.#payloads.close();
  }
}
