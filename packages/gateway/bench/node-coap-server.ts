/** What `npm run bench` compares with: npm's `coap`. Arguments: the folder of its package, a port. */
import { createRequire } from 'node:module';

const [folder = '', port = ''] = process.argv.slice(2);

interface NodeCoap {
  createServer(): {
    on(event: 'request', listener: (request: unknown, response: { end(body: string): void }) => void): void;
    listen(port: number, host: string, listening: () => void): void;
  };
}

const coap = createRequire(import.meta.url)(folder) as NodeCoap;
const server = coap.createServer();
server.on('request', (_request, response) => response.end('Hello, world!'));
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
