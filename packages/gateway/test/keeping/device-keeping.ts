/** What holds for everything that keeps devices of several gateways (src/keeping/credentials.ts). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { Credentials, DeviceKeeping } from '../../src/keeping/credentials.ts';
import type { Device, DeviceCredential, HomedDevice } from '../../src/store/device-table.ts';
import type { Define } from './define-test.ts';
import { MemoryDevices } from './memory-keeping.ts';
import { plain } from './plain-record.ts';

/** An engine under test, empty. */
interface OpenDevices {
  readonly keeping: DeviceKeeping;
  /** Where handshakes ask the same engine. */
  readonly credentials?: Credentials;
  /** Somebody else who works on the same. */
  readonly other: DeviceKeeping;
  /** Makes it empty again. */
  readonly clear: () => Promise<void>;
}

const key = Uint8Array.of(1, 2, 3, 4);

function device(id: string, credential: DeviceCredential = { kind: 'psk', key }, keyVersion = 1): Device {
  return { id, credential, keyVersion, addedAtMs: 5, rotatedAtMs: undefined, rules: ['GET:/a', 'PUT:/b'] };
}

async function all(keeping: DeviceKeeping): Promise<readonly HomedDevice[]> {
  const found: HomedDevice[] = [];
  for await (const page of keeping.homedDevices()) found.push(...page);
  return found.toSorted((one, two) => (one.device.id < two.device.id ? -1 : 1));
}

/** Few ids, homes and fingerprints: they meet. */
const homed: fc.Arbitrary<HomedDevice> = plain({
  home: fc.constantFrom('north', 'south'),
  device: plain({
    id: fc.constantFrom('a', 'b', 'c', 'd é/%'),
    credential: fc.oneof<fc.Arbitrary<DeviceCredential>[]>(
      plain({ kind: fc.constant('psk'), key: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
      plain({ kind: fc.constant('rpk'), fingerprint: fc.constantFrom('sha256:1', 'sha256:2') }),
      plain({
        kind: fc.constant('cert'),
        fingerprint: fc.constantFrom('sha256:2', 'sha256:3'),
        expiresAtMs: fc.option(fc.integer({ min: 0 }), { nil: undefined }),
      }),
    ),
    keyVersion: fc.integer({ min: 1, max: 9 }),
    addedAtMs: fc.integer({ min: 0, max: 2 ** 43 }),
    rotatedAtMs: fc.option(fc.integer({ min: 0, max: 2 ** 43 }), { nil: undefined }),
    rules: fc.array(fc.constantFrom('GET:/a', 'PUT:/b/*', '*:/c'), { maxLength: 3 }),
  }).map((made): Device => made),
});

type Step =
  | { readonly kind: 'put'; readonly devices: readonly HomedDevice[] }
  | { readonly kind: 'remove'; readonly home: string; readonly ids: readonly string[] };

const step: fc.Arbitrary<Step> = fc.oneof<fc.Arbitrary<Step>[]>(
  plain({ kind: fc.constant('put'), devices: fc.array(homed, { minLength: 1, maxLength: 3 }) }),
  plain({
    kind: fc.constant('remove'),
    home: fc.constantFrom('north', 'south'),
    ids: fc.array(fc.constantFrom('a', 'b', 'c', 'd é/%', 'none'), { maxLength: 3 }),
  }),
);

/** Tests an engine by its name. @param open once for each test. @param define makes a test, or says why it cannot run. */
export function deviceKeepingContract(
  name: string,
  open: (t: TestContext) => Promise<OpenDevices>,
  define: Define = test,
): void {
  define(`${name}: a device is kept whole, and everybody finds it`, async (t) => {
    const { keeping, other } = await open(t);
    const one = { home: 'north', device: device('a', { kind: 'cert', fingerprint: 'f', expiresAtMs: 7 }) };
    assert.deepEqual(await keeping.putDevices([one]), []);
    assert.deepEqual(await other.homedDevice('a'), one);
    assert.deepEqual(await all(other), [one]);
    assert.equal(await other.homedDevice('b'), undefined);
  });

  define(
    `${name}: who comes second with an id or a fingerprint is refused, and what was there stays`,
    async (t) => {
      const { keeping, other } = await open(t);
      const first = { home: 'north', device: device('a', { kind: 'rpk', fingerprint: 'f' }) };
      await keeping.putDevices([first]);
      const sameId = { home: 'south', device: device('a') };
      const sameKey = { home: 'south', device: device('b', { kind: 'rpk', fingerprint: 'f' }) };
      const third = { home: 'south', device: device('c') };
      assert.deepEqual(await other.putDevices([sameId, sameKey, third]), ['a', 'b']);
      assert.deepEqual(await all(keeping), [first, third]);
      await other.removeDevices('south', ['a']);
      assert.deepEqual(await all(keeping), [first, third]);
      await keeping.removeDevices('north', ['a', 'never there']);
      assert.deepEqual(await other.putDevices([sameId, sameKey]), []);
    },
  );

  define(`${name}: any sequence of changes leaves what the model has`, async (t) => {
    const { keeping, other, credentials, clear } = await open(t);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await clear();
        const model = new MemoryDevices();
        for (const [i, one] of steps.entries()) {
          const engine = i % 2 === 0 ? keeping : other;
          if (one.kind === 'put') {
            assert.deepEqual(await engine.putDevices(one.devices), await model.putDevices(one.devices));
          } else {
            await engine.removeDevices(one.home, one.ids);
            await model.removeDevices(one.home, one.ids);
          }
        }
        assert.deepEqual(await all(keeping), await all(model));
        const ids = ['a', 'none', 'b', 'c', 'd é/%'];
        for (const id of ids) assert.deepEqual(await other.homedDevice(id), await model.homedDevice(id));
        if (credentials === undefined) return;
        assert.deepEqual(await credentials.keyVersions(ids), await model.keyVersions(ids));
        for (const fingerprint of ['sha256:1', 'sha256:2', 'sha256:3']) {
          assert.deepEqual(
            await credentials.deviceByFingerprint(fingerprint),
            await model.deviceByFingerprint(fingerprint),
          );
        }
      }),
      { seed: 9146, numRuns: process.env['COAPSULE_LONG'] === '1' ? 1000 : 40, endOnFailure: true },
    );
  });
}
