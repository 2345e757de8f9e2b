/** The official client of the Model Context Protocol starts `coapsule mcp` and drives it, in both ways of the protocol. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client, type ClientOptions } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { content, Server } from 'coapsule';
import { commandLine } from './programs.ts';

const ways: readonly (readonly [expected: string, options: ClientOptions])[] = [
  ['2025-11-25', { versionNegotiation: { mode: 'legacy' } }],
  ['2026-07-28', { versionNegotiation: { mode: 'auto' } }],
];

describe('the official client', () => {
  for (const [version, options] of ways) {
    test(`speaks ${version} with coapsule mcp: lists tools, reads a resource, is refused a write`, async (t) => {
      const server = new Server();
      server.resource('/hello', { get: () => content('Hello, world!') });
      t.after(() => server.close());
      const { port } = await server.listen('coap://127.0.0.1:0');
      const client = new Client({ name: 'test', version: '1' }, options);
      t.after(() => client.close());
      await client.connect(
        new StdioClientTransport({
          command: process.execPath,
          args: ['--conditions=@coapsule/source', commandLine, 'mcp'],
        }),
      );
      assert.equal(client.getNegotiatedProtocolVersion(), version);
      assert.equal(client.getServerVersion()?.name, 'coapsule');
      const { tools } = await client.listTools();
      assert.ok(tools.some(({ name }) => name === 'observe'));
      const uri = `coap://127.0.0.1:${port}/hello`;
      const read = await client.callTool({ name: 'get', arguments: { uri } });
      assert.match(JSON.stringify(read.content), /Hello, world!/);
      const written = await client.callTool({ name: 'put', arguments: { uri, payload: 'x' } });
      assert.equal(written.isError, true);
      assert.match(JSON.stringify(written.content), /--allow-write/);
    });
  }
});
