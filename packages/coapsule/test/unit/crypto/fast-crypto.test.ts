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
import type { AesCcmModule } from '../../../src/crypto/aes-ccm/aes-ccm-module.ts';
import { choose, cryptoInUse, fastCrypto, instantiateModules } from '../../../src/crypto/fast-crypto.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { HmacSha256, Sha256 } from '../../../src/crypto/sha-256/sha-256.ts';

/** Where the static data of the module is: the tables, in the order of `vector-permute-tables.ts`. */
const tablesAt = 64;

suite('the choice of cryptography', () => {
  test('AES-CCM and SHA-256 are made in WebAssembly, all else by node:crypto', () => {
    const { provider, implementation, reason } = choose({}, instantiateModules);
    assert.deepEqual([implementation, reason], ['webassembly', undefined]);
    for (const algorithm of ['AES_128_CCM_8', 'AES_128_CCM'] as const) {
      assert.ok(provider.aead(algorithm, new Uint8Array(16)) instanceof AesCcmKey);
    }
    for (const algorithm of ['AES_256_CCM_8', 'AES_256_CCM'] as const) {
      assert.ok(provider.aead(algorithm, new Uint8Array(32)) instanceof AesCcmKey);
    }
    assert.ok(!(provider.aead('AES_128_GCM', new Uint8Array(16)) instanceof AesCcmKey));
    assert.ok(provider.hash('SHA-256') instanceof Sha256);
    assert.ok(provider.hmac('SHA-256', noBytes) instanceof HmacSha256);
    assert.ok(!(provider.hash('SHA-384') instanceof Sha256));
    assert.ok(!(provider.hmac('SHA-384', noBytes) instanceof HmacSha256));
    for (const length of [0, 2047, 2048, 2049]) {
      const text = new Uint8Array(length).fill(7);
      assert.deepEqual(provider.digest('SHA-256', text), nodeCrypto.digest('SHA-256', text));
      assert.deepEqual(provider.digest('SHA-512', text), nodeCrypto.digest('SHA-512', text));
    }
  });

  test('COAPSULE_CRYPTO=node takes node:crypto, and the module is not even made', () => {
    const { provider, implementation, reason } = choose({ COAPSULE_CRYPTO: 'node' }, () =>
      assert.fail('was made'),
    );
    assert.equal(provider, nodeCrypto);
    assert.deepEqual([implementation, reason], ['node:crypto', 'COAPSULE_CRYPTO is "node"']);
  });

  test('an empty COAPSULE_CRYPTO is none', () => {
    assert.equal(choose({ COAPSULE_CRYPTO: '' }, instantiateModules).implementation, 'webassembly');
  });

  test('another COAPSULE_CRYPTO is a misuse that names it and what it may be', () => {
    for (const value of ['Node', 'wasm', '1', ' ']) {
      assert.throws(
        () => choose({ COAPSULE_CRYPTO: value }, instantiateModules),
        (error) =>
          error instanceof ApiMisuseError &&
          error.message.includes(`COAPSULE_CRYPTO: got "${value}"`) &&
          error.message.includes('"node"'),
      );
    }
  });

  test('where the module cannot be made, node:crypto does its work, and the reason is told', () => {
    const { provider, implementation, reason } = choose({}, () => {
      throw new Error('no swizzle here');
    });
    assert.equal(provider, nodeCrypto);
    assert.equal(implementation, 'node:crypto');
    assert.match(reason ?? '', /no swizzle here/);
  });

  test('a Node without WebAssembly works with node:crypto', () => {
    const scope = globalThis as { WebAssembly?: unknown };
    const { WebAssembly } = scope;
    delete scope.WebAssembly;
    try {
      const { provider, reason } = choose({}, instantiateModules);
      assert.equal(provider, nodeCrypto);
      assert.match(reason ?? '', /this Node has no WebAssembly/);
    } finally {
      scope.WebAssembly = WebAssembly;
    }
  });

  test('a module with a wrong byte in its tables fails the self-test and is not used', () => {
    const modules = instantiateModules();
    const module = modules.aesCcm;
    const unseen: number[] = [];
    for (let at = 0; at < 448; at++) {
      const before = module.memory[tablesAt + at] as number;
      module.memory[tablesAt + at] = before ^ 1;
      const { provider, reason } = choose({}, () => modules);
      module.memory[tablesAt + at] = before;
      // Round keys that were made with what is wrong.
      module.slots.owners.fill(0);
      if (provider === nodeCrypto) assert.equal(reason, 'the module of AES-CCM failed its self-test');
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
    const modules = instantiateModules();
    const module = modules.aesCcm;
    const gullible: AesCcmModule = {
      ...module,
      open: (...parameters) => Math.max(module.open(...parameters), parameters[4]),
    };
    assert.equal(choose({}, () => ({ ...modules, aesCcm: gullible })).implementation, 'node:crypto');
  });

  test('a module of SHA-256 with a wrong byte in its constants fails the self-test', () => {
    const modules = instantiateModules();
    const { memory } = modules.sha256;
    for (let at = 64; at < 64 + 288; at++) {
      memory[at] = (memory[at] as number) ^ 1;
      const { provider, reason } = choose({}, () => modules);
      memory[at] = (memory[at] as number) ^ 1;
      assert.equal(provider, nodeCrypto);
      assert.equal(reason, 'the module of SHA-256 failed its self-test');
    }
  });

  test('each thread chooses once', () => {
    assert.equal(fastCrypto(), fastCrypto());
    assert.equal(cryptoInUse().implementation, fastCrypto() === nodeCrypto ? 'node:crypto' : 'webassembly');
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
    assert.deepEqual(await inUse({}), { implementation: 'webassembly' });
    assert.deepEqual(await inUse({ COAPSULE_CRYPTO: 'node' }), {
      implementation: 'node:crypto',
      reason: 'COAPSULE_CRYPTO is "node"',
    });
    await assert.rejects(inUse({ COAPSULE_CRYPTO: 'fast' }), /COAPSULE_CRYPTO: got "fast", expected "node"/);
  });
});
