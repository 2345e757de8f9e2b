/**
 * Which cryptography is chosen, by the environment and by what Node is able to.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { AesCcmKey } from '../../../src/crypto/aes-ccm/aes-ccm-key.ts';
import { type AesCcmModule, instantiateAesCcm } from '../../../src/crypto/aes-ccm/aes-ccm-module.ts';
import { choose, cryptoInUse, fastCrypto } from '../../../src/crypto/fast-crypto.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';

/** Where the static data of the module is: the tables, in the order of `vector-permute-tables.ts`. */
const tablesAt = 64;

suite('the choice of cryptography', () => {
  test('AES-CCM is made in WebAssembly, all else by node:crypto', () => {
    const { provider, aesCcm, reason } = choose({}, instantiateAesCcm);
    assert.deepEqual([aesCcm, reason], ['webassembly', undefined]);
    for (const algorithm of ['AES_128_CCM_8', 'AES_128_CCM'] as const) {
      assert.ok(provider.aead(algorithm, new Uint8Array(16)) instanceof AesCcmKey);
    }
    for (const algorithm of ['AES_256_CCM_8', 'AES_256_CCM'] as const) {
      assert.ok(provider.aead(algorithm, new Uint8Array(32)) instanceof AesCcmKey);
    }
    assert.ok(!(provider.aead('AES_128_GCM', new Uint8Array(16)) instanceof AesCcmKey));
    assert.deepEqual(provider.digest('SHA-256', noBytes), nodeCrypto.digest('SHA-256', noBytes));
  });

  test('COAPSULE_CRYPTO=node takes node:crypto, and the module is not even made', () => {
    const { provider, aesCcm, reason } = choose({ COAPSULE_CRYPTO: 'node' }, () => assert.fail('was made'));
    assert.equal(provider, nodeCrypto);
    assert.deepEqual([aesCcm, reason], ['node:crypto', 'COAPSULE_CRYPTO is "node"']);
  });

  test('an empty COAPSULE_CRYPTO is none', () => {
    assert.equal(choose({ COAPSULE_CRYPTO: '' }, instantiateAesCcm).aesCcm, 'webassembly');
  });

  test('another COAPSULE_CRYPTO is a misuse that names it and what it may be', () => {
    for (const value of ['Node', 'wasm', '1', ' ']) {
      assert.throws(
        () => choose({ COAPSULE_CRYPTO: value }, instantiateAesCcm),
        (error) =>
          error instanceof ApiMisuseError &&
          error.message.includes(`COAPSULE_CRYPTO: got "${value}"`) &&
          error.message.includes('"node"'),
      );
    }
  });

  test('where the module cannot be made, node:crypto does its work, and the reason is told', () => {
    const { provider, aesCcm, reason } = choose({}, () => {
      throw new Error('no swizzle here');
    });
    assert.equal(provider, nodeCrypto);
    assert.equal(aesCcm, 'node:crypto');
    assert.match(reason ?? '', /no swizzle here/);
  });

  test('a Node without WebAssembly works with node:crypto', () => {
    const scope = globalThis as { WebAssembly?: unknown };
    const { WebAssembly } = scope;
    delete scope.WebAssembly;
    try {
      const { provider, reason } = choose({}, instantiateAesCcm);
      assert.equal(provider, nodeCrypto);
      assert.match(reason ?? '', /this Node has no WebAssembly/);
    } finally {
      scope.WebAssembly = WebAssembly;
    }
  });

  test('a module with a wrong byte in its tables fails the self-test and is not used', () => {
    const module = instantiateAesCcm();
    const unseen: number[] = [];
    for (let at = 0; at < 448; at++) {
      const before = module.memory[tablesAt + at] as number;
      module.memory[tablesAt + at] = before ^ 1;
      const { provider, reason } = choose({}, () => module);
      module.memory[tablesAt + at] = before;
      // Round keys that were made with what is wrong.
      module.slots.owners.fill(0);
      if (provider === nodeCrypto) assert.equal(reason, 'the WebAssembly module failed its self-test');
      else unseen.push(at);
    }
    // Entries 0 of the six tables of substitution, which nothing ever looks up, and masks for other lengths than the
    // self-test has.
    assert.deepEqual(
      unseen.filter((at) => at < 416),
      [64, 80, 96, 112, 128, 144],
    );
  });

  test('a module that takes any tag for good fails the self-test', () => {
    const module = instantiateAesCcm();
    const gullible: AesCcmModule = {
      ...module,
      open: (...parameters) => Math.max(module.open(...parameters), parameters[4]),
    };
    assert.equal(choose({}, () => gullible).aesCcm, 'node:crypto');
  });

  test('each thread chooses once', () => {
    assert.equal(fastCrypto(), fastCrypto());
    assert.equal(cryptoInUse().aesCcm, fastCrypto() === nodeCrypto ? 'node:crypto' : 'webassembly');
  });
});

suite('a process', () => {
  const crypto = join(import.meta.dirname, '../../../src/crypto/fast-crypto.ts');
  const program = `import { cryptoInUse } from ${JSON.stringify(crypto)}; console.log(JSON.stringify(cryptoInUse()));`;
  const run = promisify(execFile);

  async function inUse(environment: Record<string, string>): Promise<unknown> {
    const { COAPSULE_CRYPTO: _, ...inherited } = process.env;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...inherited, ...environment },
    });
    return JSON.parse(stdout);
  }

  test('uses WebAssembly, or what COAPSULE_CRYPTO says', async () => {
    assert.deepEqual(await inUse({}), { aesCcm: 'webassembly' });
    assert.deepEqual(await inUse({ COAPSULE_CRYPTO: 'node' }), {
      aesCcm: 'node:crypto',
      reason: 'COAPSULE_CRYPTO is "node"',
    });
    await assert.rejects(inUse({ COAPSULE_CRYPTO: 'fast' }), /COAPSULE_CRYPTO: got "fast", expected "node"/);
  });
});
