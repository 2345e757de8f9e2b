/** What holds for everything that keeps registrations (src/keeping/registrations.ts). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { Registration } from '../../src/directory/registration.ts';
import type { RegistrationKeeping } from '../../src/keeping/registrations.ts';
import type { Define } from './define-test.ts';
import { MemoryRegistrations } from './memory-keeping.ts';
import { plain } from './plain-record.ts';

/** An engine under test, empty. */
interface OpenRegistrations {
  readonly keeping: RegistrationKeeping;
  /** Somebody else who works on the same. */
  readonly other: RegistrationKeeping;
  /** Makes it empty again. */
  readonly clear: () => Promise<void>;
}

const word = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', ' '), maxLength: 8 });

const registration: fc.Arbitrary<Registration> = plain({
  id: fc.constantFrom('one', 'two', 'three'),
  name: word,
  sector: word,
  owner: fc.option(word, { nil: undefined }),
  lifetimeSeconds: fc.integer({ min: 1, max: 4_294_967_295 }),
  base: plain({
    uri: fc.constantFrom('coap://[2001:db8::1]', 'coaps://node.example:61616'),
    isGiven: fc.boolean(),
    zone: fc.option(fc.constantFrom('eth0', ''), { nil: undefined }),
  }),
  attributes: fc.array(fc.tuple(fc.constantFrom('et', 'x', 'x'), fc.option(word, { nil: undefined })), {
    maxLength: 3,
  }),
  links: fc.array(
    plain({
      target: fc.constantFrom('/temp', '/a%20b', 'coap://other.example/x'),
      attributes: fc.uniqueArray(
        fc.tuple(
          fc.constantFrom('rt', 'if'),
          fc.option(fc.constantFrom('a b', 'é', '"'), { nil: undefined }),
        ),
        { maxLength: 2, selector: ([name]) => name },
      ),
    }),
    { maxLength: 3 },
  ),
  expiresAtMs: fc.integer({ min: 0, max: 2 ** 43 }),
});

function sorted(registrations: readonly Registration[]): readonly Registration[] {
  return registrations.toSorted((one, two) => (one.id < two.id ? -1 : 1));
}

/** Tests an engine by its name. @param open once for each test. @param define makes a test, or says why it cannot run. */
export function registrationKeepingContract(
  name: string,
  open: (t: TestContext) => Promise<OpenRegistrations>,
  define: Define = test,
): void {
  define(`${name}: any sequence of registrations and removals leaves what the model has`, async (t) => {
    const { keeping, other, clear } = await open(t);
    const step = fc.oneof(registration, fc.array(fc.constantFrom('one', 'two', 'none'), { maxLength: 3 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await clear();
        const model = new MemoryRegistrations();
        for (const [i, one] of steps.entries()) {
          for (const engine of [i % 2 === 0 ? keeping : other, model]) {
            if ('id' in one) await engine.keepRegistration(one);
            else await engine.removeRegistrations(one);
          }
        }
        assert.deepEqual(sorted(await other.registrations()), sorted(await model.registrations()));
      }),
      { seed: 9176, numRuns: process.env['COAPSULE_LONG'] === '1' ? 1000 : 40, endOnFailure: true },
    );
  });

  define(`${name}: of registrations that many keep at the same time none is lost`, async (t) => {
    const { keeping, other } = await open(t);
    const some = fc
      .sample(registration, { numRuns: 200, seed: 1 })
      .map((one, i) => ({ ...one, id: `id-${i}` }));
    await Promise.all(some.map((one, i) => (i % 2 === 0 ? keeping : other).keepRegistration(one)));
    assert.deepEqual(sorted(await keeping.registrations()), sorted(some));
  });
}
