/** A device that the console has added is let in at its first try: the gateway here looks at its store by itself once an hour. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, OscoreContext } from 'coapsule';
import type { DeviceWithSecret } from '../../src/console/api-types.ts';
import { startTestConsole } from './console-fixture.ts';

for (const workers of [1, 2]) {
  test(`a device under OSCORE, and its end, count when the console has answered, with ${workers} workers`, async (t) => {
    const { admin, coap } = await startTestConsole(t, { workers, watchIntervalMs: 3_600_000 });
    const user = await admin();
    const { secret } = await user.json<DeviceWithSecret>('POST', '/api/devices', {
      id: 'field-1',
      credential: { kind: 'oscore' },
    });
    assert.ok(secret?.kind === 'oscore');
    const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
    const oscore = await OscoreContext.open({
      masterSecret: bytes(secret.masterSecretHex),
      masterSalt: bytes(secret.masterSaltHex),
      senderId: bytes(secret.senderIdHex),
      recipientId: bytes(secret.recipientIdHex),
      firstUse: true,
      store: { load: async () => undefined, save: async () => {} },
    });
    const field = new Client({ oscore });
    t.after(() => field.close());
    const { codeText } = await field.put(`${coap}/sensors/field-1`, { payload: '22.5' });
    assert.match(codeText, /^2\.0/);
    await user.ask('DELETE', '/api/devices/field-1');
    await assert.rejects(
      field.put(`${coap}/sensors/field-1`, { payload: '23' }),
      /Security context not found/,
    );
  });
}
