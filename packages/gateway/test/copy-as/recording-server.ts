/** A server that keeps what arrives, for requests that programs make of `copy as`. */
import type { TestContext } from 'node:test';
import { content, type ListenOptions, OptionNumber, type Request, Server } from 'coapsule';
import type { ArrivedRequest } from './requests.ts';

/** Not compared: a part of the URI, in a field of its own, or added by programs for themselves. */
const notCompared: ReadonlySet<number> = new Set([
  ...[OptionNumber.UriHost, OptionNumber.UriPort, OptionNumber.UriPath, OptionNumber.UriQuery],
  ...[OptionNumber.ContentFormat, OptionNumber.Accept, OptionNumber.Size1, OptionNumber.Size2],
  ...[OptionNumber.Block1, OptionNumber.Block2, OptionNumber.RequestTag, OptionNumber.Observe],
]);

/** Opens it for one test. */
export async function recordingServer(
  t: TestContext,
  scheme: 'coap' | 'coaps',
  options: ListenOptions = {},
): Promise<{ readonly port: number; readonly arrived: ArrivedRequest[] }> {
  const arrived: ArrivedRequest[] = [];
  const server = new Server();
  const handler = (request: Request) => {
    const { method, path, query, confirmable, contentFormat, accept } = request;
    arrived.push({
      ...{ method, path, query: [...query], confirmable, contentFormat, accept },
      options: Array.from(request.options.entries()).flatMap(({ number, value }) =>
        notCompared.has(number) ? [] : [`${number} ${Buffer.from(value).toString('hex')}`],
      ),
      payload: Buffer.from(request.payload).toString('hex'),
    });
    return content('done', accept === undefined ? {} : { contentFormat: accept });
  };
  const methods = {
    get: handler,
    post: handler,
    put: handler,
    delete: handler,
    fetch: handler,
    patch: handler,
  };
  server.resource('/echo', { ...methods, ipatch: handler, conditional: true });
  const { port } = await server.listen(`${scheme}://127.0.0.1:0`, options);
  t.after(() => server.close());
  return { port, arrived };
}
