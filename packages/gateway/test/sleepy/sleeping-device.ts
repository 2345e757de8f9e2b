/** A device on DTLS that tells its state and answers requests on the same socket, when it does not sleep. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Code, type Code as CodeNumber, codeText, OptionNumber } from 'coapsule';
import { Endpoint, ipAddress } from 'coapsule/core';
import { codeOfMethod, methodOf, OptionSet } from 'coapsule/message';
import { Driver, type DriverOutput, nodeCrypto, systemRandom } from 'coapsule/node';

/** See the file comment. */
export class SleepingDevice {
  /** What it was asked: `PUT /setpoint 21`. */
  readonly asked: string[] = [];
  readonly resources = new Map<string, string>();
  isAsleep = false;
  #driver!: Driver;
  readonly #port: number;
  #told = Promise.withResolvers<string>();
  #wake: (() => void)[] = [];

  static async open(t: TestContext, port: number, identity: string, key: string): Promise<SleepingDevice> {
    const device = new SleepingDevice(port);
    const psk = { identity: new TextEncoder().encode(identity), key: new TextEncoder().encode(key) };
    const credentials = { psk: true, peerTypes: [], clientAuthentication: 'none' } as const;
    const endpoint = new Endpoint({
      config: {
        security: 'dtls',
        role: 'both',
        dtls: { credentials, clientCredentials: credentials },
      },
      random: systemRandom,
      crypto: nodeCrypto,
    });
    device.#driver = await Driver.open({
      endpoint,
      socket: { host: '127.0.0.1' },
      onOutput: (output) => {
        if (output.kind === 'psk-lookup')
          device.#driver.run((one, now) => one.answerPskLookup(output.lookup, psk, now));
        else device.#output(output);
      },
      onDefect: (error) => assert.fail(String(error)),
    });
    t.after(() => device.#driver.close());
    return device;
  }

  private constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request to the gateway. @returns the code of its answer. */
  async send(method: 'PUT' | 'POST' | 'GET', path: string, payload = ''): Promise<string> {
    this.#told = Promise.withResolvers();
    const [name = '', query] = path.split('?');
    const options = new OptionSet();
    for (const segment of name.slice(1).split('/')) options.add(OptionNumber.UriPath, segment);
    if (query !== undefined) for (const one of query.split('&')) options.add(OptionNumber.UriQuery, one);
    const content = { code: codeOfMethod(method), options, payload: new TextEncoder().encode(payload) };
    this.#driver.run((one, now) =>
      one.request(ipAddress('127.0.0.1', this.#port), { ...content, type: 'CON' }, now),
    );
    return this.#told.promise;
  }

  /** It ends its association, as before a deep sleep. */
  disconnect(): void {
    this.#driver.run((one, now) => one.closeAll(now));
  }

  /** Fulfils when it was asked so many times in all. */
  async askedTimes(count: number): Promise<void> {
    while (this.asked.length < count) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #output(output: DriverOutput): void {
    if (output.kind === 'response') this.#told.resolve(codeText(output.response.code as CodeNumber));
    else if (output.kind === 'request-failed') this.#told.reject(new Error(JSON.stringify(output.error)));
    if (output.kind !== 'request' || this.isAsleep) return;
    const { code, options, payload } = output.request;
    const method = methodOf(code) ?? '';
    const path = `/${options.texts(OptionNumber.UriPath).join('/')}`;
    const text = new TextDecoder().decode(payload);
    this.asked.push(`${method} ${path}${text === '' ? '' : ` ${text}`}`);
    const known = this.resources.get(path);
    if (method !== 'GET') this.resources.set(path, text);
    const answer = {
      code: method !== 'GET' ? Code.Changed : known === undefined ? Code.NotFound : Code.Content,
      options: new OptionSet(),
      payload: new TextEncoder().encode(method === 'GET' ? (known ?? '') : ''),
      keepAnswer: false,
    };
    this.#driver.run((one, now) => one.respond(output.exchange, answer, now));
    for (const wake of this.#wake.splice(0)) wake();
  }
}
