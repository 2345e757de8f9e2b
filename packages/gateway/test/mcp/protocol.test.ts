/** The Model Context Protocol as `coapsule mcp` speaks it: both ways to begin, errors, limits, cancellation. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Server } from 'coapsule';
import fc from 'fast-check';
import { readMessage } from '../../src/mcp/json-rpc.ts';
import { LineSplitter } from '../../src/mcp/line-splitter.ts';
import { connectedClient, McpClient } from './mcp-client.ts';

const stateless = {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  },
};

describe('the handshake of revisions up to 2025-11-25', () => {
  for (const [requested, expected] of [
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2025-03-26', '2024-11-05'],
    ['2024-11-05', '2024-11-05'],
    ['2026-07-28', '2025-11-25'],
    ['2024-10-07', '2025-11-25'],
  ] as const) {
    test(`a client that asks for ${requested} gets ${expected}`, async (t) => {
      const client = new McpClient(t);
      const { result } = await client.ask('initialize', { protocolVersion: requested, capabilities: {} });
      assert.equal(result?.['protocolVersion'], expected);
      assert.deepEqual(result?.['capabilities'], { tools: {} });
      assert.match(JSON.stringify(result), /"serverInfo":\{"name":"coapsule"/);
    });
  }

  test('tools are listed after it, pings answered before it, and nothing else is done before it', async (t) => {
    const client = new McpClient(t);
    assert.deepEqual((await client.ask('ping')).result, {});
    assert.equal((await client.ask('tools/list')).error?.code, -32600);
    assert.equal((await client.ask('tools/call', { name: 'codes' })).error?.code, -32600);
    await client.ask('initialize', { protocolVersion: '2025-11-25', capabilities: {} });
    const { result } = await client.ask('tools/list');
    const names = result?.tools?.map(({ name }) => name) ?? [];
    for (const name of ['get', 'put', 'observe', 'discover', 'ping', 'probe', 'decode', 'doctor']) {
      assert.ok(names.includes(name), `${name} is not among ${names}`);
    }
    for (const { name, inputSchema, annotations } of result?.tools ?? []) {
      assert.match(name, /^[a-z_]{1,128}$/);
      assert.equal(inputSchema.type, 'object');
      assert.equal(annotations.readOnlyHint, !['put', 'post', 'patch', 'ipatch', 'delete'].includes(name));
    }
  });

  test('names and versions that are no texts, nor can be made texts, are errors and end nothing', async (t) => {
    const client = await connectedClient(t);
    let nested: unknown = 'get';
    for (let level = 0; level < 3000; level++) nested = [nested];
    for (const value of [{ toString: 1 }, nested, null, 7]) {
      assert.equal((await client.ask('tools/call', { name: value })).error?.code, -32602);
      const _meta = { 'io.modelcontextprotocol/protocolVersion': value };
      assert.equal((await client.ask('ping', { _meta })).error?.code, -32022);
    }
    assert.deepEqual((await client.ask('ping')).result, {});
  });

  test('a method that there is not, and a tool that there is not, are errors of the protocol', async (t) => {
    const client = await connectedClient(t);
    assert.equal((await client.ask('resources/list')).error?.code, -32601);
    assert.equal((await client.ask('tools/call', { name: 'reboot' })).error?.code, -32602);
    assert.equal((await client.ask('tools/call', { name: 'get', arguments: [] })).error?.code, -32602);
  });
});

describe('requests of 2026-07-28, which stand alone', () => {
  test('server/discover, tools/list and tools/call are answered without a handshake', async (t) => {
    const client = new McpClient(t);
    const { result: discovered } = await client.ask('server/discover', stateless);
    assert.deepEqual(discovered?.['supportedVersions'], ['2026-07-28']);
    assert.equal(discovered?.['resultType'], 'complete');
    assert.equal(typeof discovered?.['ttlMs'], 'number');
    const { result: listed } = await client.ask('tools/list', stateless);
    assert.equal(listed?.['resultType'], 'complete');
    assert.ok((listed?.tools?.length ?? 0) > 10);
    const { result } = await client.ask('tools/call', {
      ...stateless,
      name: 'codes',
      arguments: { search: '4.04' },
    });
    assert.equal(result?.['resultType'], 'complete');
    assert.match(result?.content?.[0]?.text ?? '', /Not Found/);
  });

  test('another revision is refused with those that may be named, a request without capabilities as malformed', async (t) => {
    const client = new McpClient(t);
    const { error } = await client.ask('tools/list', {
      _meta: { ...stateless._meta, 'io.modelcontextprotocol/protocolVersion': '2030-01-01' },
    });
    assert.equal(error?.code, -32022);
    assert.deepEqual(error?.data, { supported: ['2026-07-28'], requested: '2030-01-01' });
    const { error: malformed } = await client.ask('tools/list', {
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
    });
    assert.equal(malformed?.code, -32602);
    assert.equal((await client.ask('ping', stateless)).error?.code, -32601);
  });
});

describe('lines', () => {
  test('what is not JSON, not UTF-8, a batch or no message is refused, and the session goes on', async (t) => {
    const client = await connectedClient(t);
    const refused = async (bytes: string | Uint8Array, code: number): Promise<void> => {
      const { length } = client.messages;
      client.write(bytes);
      const message = await client.message((one) => client.messages.indexOf(one) >= length);
      assert.equal(message.id, null);
      assert.equal(message.error?.code, code);
    };
    await refused('{"jsonrpc": \n', -32700);
    await refused(Uint8Array.of(0x22, 0xff, 0x22, 0x0a), -32700);
    await refused('[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', -32600);
    await refused('7\n', -32600);
    await refused('{"jsonrpc":"2.0","id":null,"method":"ping"}\n', -32600);
    await refused('{"id":{},"method":"ping"}\n', -32600);
    client.write('\n\r\n{"jsonrpc":"2.0","id":4,"result":{}}\n');
    assert.deepEqual((await client.ask('ping')).result, {});
  });

  test('a line of more than 4 MiB is refused without being kept, and the next one is read', async (t) => {
    const client = await connectedClient(t);
    const piece = new Uint8Array(1024 * 1024).fill(0x61);
    for (let i = 0; i < 5; i++) client.write(piece);
    client.write('\n');
    const { error } = await client.message(({ id }) => id === null);
    assert.equal(error?.code, -32600);
    assert.match(error?.message ?? '', /longer than/);
    assert.deepEqual((await client.ask('ping')).result, {});
  });

  test('any bytes in any pieces are cut at line feeds, and any line is read without an error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (pieces) => {
        const splitter = new LineSplitter(50);
        const whole = Buffer.concat(pieces);
        const lines = pieces.flatMap((piece) => [...splitter.push(piece)]);
        const ends = whole.filter((byte) => byte === 0x0a).length;
        assert.ok(lines.length <= ends);
        for (const line of lines) if (line.kind === 'line') readMessage(line.text);
      }),
      { numRuns: 500, seed: 1 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.equal(typeof readMessage(text).kind, 'string');
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe('calls', () => {
  test('a call that is cancelled ends, and nothing is sent for it', async (t) => {
    const server = new Server();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const { promise: never } = Promise.withResolvers<never>();
    server.resource('/slow', {
      get: () => {
        resolve();
        return never;
      },
    });
    t.after(() => server.close());
    const { port } = await server.listen('coap://127.0.0.1:0');
    const client = await connectedClient(t);
    const id = client.begin('tools/call', {
      name: 'get',
      arguments: { uri: `coap://127.0.0.1:${port}/slow`, timeoutSeconds: 100 },
    });
    await asked;
    // While it is under way its id is taken.
    client.write(`{"jsonrpc":"2.0","id":${id},"method":"ping"}\n`);
    assert.equal((await client.message((message) => message.id === id)).error?.code, -32600);
    const before = client.messages.length;
    client.notify('notifications/cancelled', { requestId: id, reason: 'enough' });
    client.notify('notifications/cancelled', { requestId: 12345 });
    client.notify('notifications/cancelled', {});
    await client.end();
    assert.equal(client.messages.length, before);
  });

  test('the end of standard input ends the calls that are under way, and the process with 0', async (t) => {
    const server = new Server();
    server.resource('/never', { get: () => Promise.withResolvers<never>().promise });
    t.after(() => server.close());
    const { port } = await server.listen('coap://127.0.0.1:0');
    const client = await connectedClient(t);
    client.begin('tools/call', { name: 'get', arguments: { uri: `coap://127.0.0.1:${port}/never` } });
    assert.equal(await client.end(), 0);
  });

  test('a ninth call at the same time waits for nobody: it is refused', async (t) => {
    const server = new Server();
    server.resource('/never', { get: () => Promise.withResolvers<never>().promise });
    t.after(() => server.close());
    const { port } = await server.listen('coap://127.0.0.1:0');
    const client = await connectedClient(t);
    const never = { name: 'get', arguments: { uri: `coap://127.0.0.1:${port}/never` } };
    for (let i = 0; i < 8; i++) client.begin('tools/call', never);
    const { isError, text } = await client.call('codes');
    assert.ok(isError);
    assert.match(text, /8 calls are under way/);
  });
});
