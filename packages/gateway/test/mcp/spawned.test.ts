/** `coapsule mcp` as an assistant starts it: a process with pipes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { commandLine } from '../interop/programs.ts';

const request = (id: number, method: string, params: object): string =>
  `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;

describe('coapsule mcp as a process', () => {
  test('answers on standard output, which has nothing else, and ends with its input', async () => {
    const child = spawn(process.execPath, ['--conditions=@coapsule/source', commandLine, 'mcp'], {
      stdio: 'pipe',
    });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stdin.write(request(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {} }));
    child.stdin.write(request(2, 'tools/call', { name: 'codes', arguments: { search: '4.04' } }));
    while (!output.includes('"id":2')) await once(child.stdout, 'data');
    child.stdin.end();
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0);
    const messages = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: number; result: { isError?: boolean } });
    assert.deepEqual(
      messages.map(({ id }) => id),
      [1, 2],
    );
    assert.equal(messages[1]?.result.isError, false);
  });

  test('ends when it is told to by a signal', async () => {
    const child = spawn(process.execPath, ['--conditions=@coapsule/source', commandLine, 'mcp'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.write(request(1, 'ping', {}));
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0);
  });
});
