/**
 * Serves the built console as the gateway does, with answers of the API that a test gives: for tests of the pages alone.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

/** What a test answers for a route, such as `GET /api/session`: a value for JSON, or a function that answers itself. */
export type Answers = Readonly<
  Record<string, object | null | ((request: IncomingMessage, response: ServerResponse, body: string) => void)>
>;

const folder = join(import.meta.dirname, '../../dist/console');

/** As strict as the gateway's: no inline script, no inline style, nothing from elsewhere. */
const policy: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** A server that runs. */
export class ConsoleServer {
  /** What the API answers; a test may put another one in its place. */
  answers: Answers;
  /** What was asked of the API, such as `GET /api/session`, with bodies. */
  readonly asked: { readonly route: string; readonly body: string }[] = [];
  readonly #server: Server;
  #port = 0;

  constructor(answers: Answers = {}) {
    this.answers = answers;
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  /** Begins, at the same port as before if there was one. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this.origin;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.origin);
    if (pathname.startsWith('/api/')) {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      this.#answer(`${request.method} ${pathname}`, request, response, body);
      return;
    }
    const name = normalize(pathname.replace(/^\/console\/?/, ''));
    const path = extname(name) === '' ? 'index.html' : name;
    try {
      const bytes = readFileSync(join(folder, path));
      response.writeHead(200, {
        'content-type': types[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': policy,
        'x-content-type-options': 'nosniff',
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  #answer(route: string, request: IncomingMessage, response: ServerResponse, body: string): void {
    this.asked.push({ route, body });
    const answer = this.answers[route];
    if (typeof answer === 'function') answer(request, response, body);
    else if (answer === undefined) {
      const isSession = route === 'GET /api/session';
      response.writeHead(isSession ? 401 : 404, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(
          isSession
            ? { code: 'unauthenticated', message: 'nobody is logged in' }
            : { code: 'unavailable', message: `no ${route} here` },
        ),
      );
    } else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    }
  }
}
