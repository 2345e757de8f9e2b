/** The log for programs: its form, and that no secret gets into it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLog } from '../../src/server/json-log.ts';
import type { AdjustableLog, LogFields } from '../../src/server/log.ts';

interface Lines {
  readonly log: AdjustableLog;
  readonly lines: string[];
}

function start(verbosity = 1): Lines {
  const lines: string[] = [];
  return { log: jsonLog((line) => lines.push(line), verbosity), lines };
}

test('each line is one JSON object with level, time and text, and what it is about', () => {
  const { log, lines } = start();
  log.error('the disk is full');
  log.warning('a handshake failed', { peer: '[::1]:40000', cause: 'peer-silent' });
  log.detail(0, 'stopping');
  log.detail(1, 'GET /light 2.05', { identity: 'sensor-042', method: 'GET', path: '/light', code: '2.05' });
  log.trace('bytes');
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(lines.every((line) => line.endsWith('}\n') && line.indexOf('\n') === line.length - 1));
  assert.deepEqual(
    told.map(({ level, msg }) => [level, msg]),
    [
      ['error', 'the disk is full'],
      ['warn', 'a handshake failed'],
      ['info', 'stopping'],
      ['debug', 'GET /light 2.05'],
      ['trace', 'bytes'],
    ],
  );
  assert.match(String(told[0]?.['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual([told[1]?.['peer'], told[1]?.['cause']], ['[::1]:40000', 'peer-silent']);
  assert.deepEqual([told[3]?.['identity'], told[3]?.['path']], ['sensor-042', '/light']);
});

test('detail is left out below its verbosity, which can change', () => {
  const { log, lines } = start(0);
  log.detail(1, 'a request');
  log.verbosity = 1;
  log.detail(1, 'another');
  assert.equal(lines.length, 1);
});

test('text of peers cannot forge a line or a field', () => {
  const { log, lines } = start();
  const forged = 'x"}\n{"level":"error","msg":"forged"}\u202e';
  log.detail(1, forged, { identity: forged, path: 'p'.repeat(1000) });
  assert.equal(lines.length, 1);
  const { msg, identity, path } = JSON.parse(lines[0] as string) as Record<string, string>;
  assert.ok(!`${msg}${identity}`.includes('\n') && !`${msg}${identity}`.includes('\u202e'));
  assert.ok((path?.length ?? 0) < 300);
});

test('fields and texts that hold a secret are written without it', () => {
  const { log, lines } = start();
  const secret = 'Zk9qT7s2LmXw4BvN';
  const names = ['key', 'psk', 'password', 'passphrase', 'token', 'secret', 'masterKey', 'privateKey'];
  for (const name of names) {
    log.warning('x', { [name]: secret } as LogFields);
    log.warning('x', { inside: { [name]: secret } } as LogFields);
  }
  log.error(`Authorization: Bearer ${secret}`);
  log.error(`GET /coap/light?access_token=${secret}&x=1`);
  log.error(`-----BEGIN EC PRIVATE KEY-----\n${secret}\n-----END EC PRIVATE KEY-----`);
  log.trace(`CLIENT_RANDOM 00ff ${'ab'.repeat(24)}`);
  log.error(`mqtt://user:${secret}@broker.example`);
  log.detail(1, `GET https://me:${secret}@api.example/v1 4.02`);
  const all = lines.join('');
  assert.ok(!all.includes(secret), all);
  assert.ok(!all.includes('abab'), all);
  assert.equal(all.split('[redacted]').length - 1, 2 * names.length + 6);
});
