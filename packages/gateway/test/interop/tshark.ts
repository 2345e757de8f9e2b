/** tshark: captures of the loopback interface, and what it makes of them. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start, temporaryFolder, until } from './process.ts';

/** Ports of 127.0.0.1 on which tshark has to expect our protocols. */
export interface CapturedPorts {
  readonly coapPort?: number;
  readonly coapsPort: number;
}

/** A capture that runs. */
export interface LoopbackCapture {
  readonly file: string;
  /** Ends it; all frames are in the file then. */
  stop(): Promise<void>;
}

/** Starts to capture what passes these ports, and waits until it does. */
export async function captureLoopback(t: TestContext, ports: CapturedPorts): Promise<LoopbackCapture> {
  const file = join(temporaryFolder(t), 'loopback.pcapng');
  const filter = [ports.coapPort, ports.coapsPort]
    .filter((port) => port !== undefined)
    .map((port) => `udp port ${port}`)
    .join(' or ');
  const tshark = start(t, 'tshark', ['-q', '-i', 'lo', '-f', filter, '-w', file]);
  await tshark.waitFor(/Capturing on/);
  await until(() => existsSync(file) && statSync(file).size > 0, 'the capture has begun');
  await sleep(500); // the capture filter is set after the file's header is written
  return {
    file,
    stop: async () => {
      await sleep(500);
      await tshark.stop('SIGINT');
    },
  };
}

/** Frames of a capture that match a display filter, one line each: protocols, then the wanted fields. */
export async function frames(
  t: TestContext,
  capture: string,
  ports: CapturedPorts,
  filter: string,
  fields: readonly string[],
  preferences: readonly string[] = [],
  more: readonly string[] = [],
): Promise<string[]> {
  const { code, stdout, output } = await run(t, 'tshark', [
    ...['-n', '-r', capture, '-Y', filter, '-T', 'fields', '-E', 'separator=|'],
    ...['-d', `udp.port==${ports.coapsPort},dtls`, '-d', `dtls.port==${ports.coapsPort},coap`],
    ...(ports.coapPort === undefined ? [] : ['-d', `udp.port==${ports.coapPort},coap`]),
    ...fields.flatMap((field) => ['-e', field]),
    ...preferences.flatMap((preference) => ['-o', preference]),
    ...more,
  ]);
  assert.equal(code, 0, output);
  return stdout.toString().split('\n').filter(Boolean);
}

/** Fails when tshark finds anything wrong in the capture, with and without the keys. */
export async function assertWellFormed(
  t: TestContext,
  capture: string,
  ports: CapturedPorts,
  preferences: readonly string[],
): Promise<void> {
  for (const known of [[], preferences]) {
    const fields = ['frame.number', '_ws.col.Info', '_ws.expert.message'];
    const bad = '_ws.malformed || _ws.short || _ws.expert.severity == "Error"';
    const found = await frames(t, capture, ports, bad, fields, known);
    // Echo and Request-Tag (RFC 9175), which we send and libcoap too, are newer than tshark 4.0.
    assert.deepEqual(
      found.filter((row) => !/\|Invalid Option Number (252|292)$/.test(row)),
      [],
    );
  }
}
