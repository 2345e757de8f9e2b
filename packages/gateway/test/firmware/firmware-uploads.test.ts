/** Uploads of firmware in any order, broken off anywhere, over restarts: what is to be seen is always whole (docs/decisions/065). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Code, codeText, type Request, RequestFailure } from 'coapsule';
import { OptionSet } from 'coapsule/message';
import fc from 'fast-check';
import { FirmwareCatalogue } from '../../src/firmware/firmware-catalogue.ts';
import { FirmwareFiles } from '../../src/firmware/firmware-files.ts';
import { firmwareTarget, uploadQuery } from '../../src/firmware/firmware-path.ts';
import { FirmwareUploads, unfinishedLifetimeMs } from '../../src/firmware/firmware-uploads.ts';
import type { KeptState, StateChange } from '../../src/store/state-table.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const numRuns = process.env['COAPSULE_LONG'] === '1' ? 100 : 25;

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const contents = [1, 2, 3].map((seed) => Uint8Array.from({ length: 700 * seed }, (_, index) => index * seed));

/** A gateway's firmware, which can be started again. */
class Stage {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #states = new Map<string, KeptState>();
  nowMs = 0;
  catalogue!: FirmwareCatalogue;
  uploads!: FirmwareUploads;
  /** Is waited for before a change is kept. */
  beforeChange: (change: StateChange) => Promise<void> = () => Promise.resolve();

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** As after a kill: what was written stays, what was known in memory does not. */
  async restart(): Promise<void> {
    const changeStates = async (change: StateChange): Promise<void> => {
      await this.beforeChange(change);
      const { put = [], remove = [] } = change;
      for (const name of remove) this.#states.delete(name);
      for (const state of put) this.#states.set(state.name, state);
    };
    const files = new FirmwareFiles(this.#folder);
    this.catalogue = new FirmwareCatalogue({ changeStates }, [...this.#states.values()]);
    const lasting = (): number => this.nowMs;
    const parts = { catalogue: this.catalogue, files, maxBytes: this.#maxBytes, clock: () => 0, lasting };
    this.uploads = new FirmwareUploads(parts);
    assert.deepEqual(await this.uploads.begin(), [], 'no record is without its file');
  }

  /** Nothing is to be seen that is not whole, nothing lies about, and no more is taken than may be. */
  check(): void {
    const folder = join(this.#folder, 'firmware');
    const images = this.catalogue.images();
    for (const { sha256, size } of images) {
      const bytes = readFileSync(join(folder, `${sha256}.bin`));
      assert.equal(digest(bytes), sha256);
      assert.equal(bytes.length, size);
    }
    const files = readdirSync(this.#folder).includes('firmware') ? readdirSync(folder) : [];
    const whole = files.filter((file) => file.endsWith('.bin'));
    assert.deepEqual(new Set(whole), new Set(images.map(({ sha256 }) => `${sha256}.bin`)));
    const taken = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    assert.ok(taken <= this.#maxBytes, `${taken} bytes`);
    assert.ok(files.length - whole.length <= this.catalogue.uploads().length, 'each part is of an upload');
  }
}

/** A PUT with a body in pieces, which may break off. */
function putOf(bytes: Uint8Array, breaksAfter: number | undefined): Request {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const end = breaksAfter ?? bytes.length;
    for (let offset = 0; offset < end; offset += 128)
      yield bytes.subarray(offset, Math.min(offset + 128, end));
    if (breaksAfter !== undefined) throw new Error('the client is gone');
  }
  return { body: ReadableStream.from(pieces()), options: new OptionSet() } as unknown as Request;
}

type Step =
  | {
      readonly kind: 'put';
      readonly version: string;
      readonly content: number;
      /** Goes on from what is there, or begins at 0. */
      readonly goesOn: boolean;
      /** Part of the body that comes; undefined: all of it. */
      readonly breaksAt: number | undefined;
      readonly isDamaged: boolean;
      readonly hasDigest: boolean;
    }
  | { readonly kind: 'remove' | 'give-up'; readonly version: string }
  | { readonly kind: 'restart' };

const version = fc.constantFrom('1', '2');
const often = fc.integer({ min: 0, max: 5 }).map((number) => number > 0);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      version,
      content: fc.nat(contents.length - 1),
      goesOn: often,
      breaksAt: fc.option(
        fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
        { nil: undefined, freq: 2 },
      ),
      isDamaged: often.map((isOften) => !isOften),
      hasDigest: often,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('remove' as const, 'give-up' as const), version }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

/** Takes a step; fulfils with what came of it. */
async function run(stage: Stage, does: Step): Promise<string> {
  const { catalogue, uploads } = stage;
  switch (does.kind) {
    case 'restart':
      await stage.restart();
      return 'restarted';
    case 'give-up':
      await uploads.giveUp({ name: 'pump', version: does.version });
      return 'given up';
    case 'remove': {
      const image = catalogue.find('pump', does.version);
      if (image === undefined) return 'nothing';
      await catalogue.remove(image);
      await uploads.removeUnused(image.sha256);
      return 'removed';
    }
    default: {
      const whole = contents[does.content] as Uint8Array;
      const sha256 = does.hasDigest ? digest(whole) : undefined;
      const known = catalogue.upload('pump', does.version);
      const has = known?.sha256 === sha256 ? uploads.received({ name: 'pump', version: does.version }) : 0;
      const from = does.goesOn && does.hasDigest ? Math.min(has, whole.length) : 0;
      const sent = does.isDamaged && from < whole.length ? whole.with(from, (whole[from] ?? 0) ^ 1) : whole;
      const rest = sent.subarray(from);
      const breaks = does.breaksAt === undefined ? undefined : Math.floor(does.breaksAt * rest.length);
      const target = { name: 'pump', version: does.version, isUpload: false };
      try {
        const { image } = await uploads.receive(putOf(rest, breaks), target, { sha256, from });
        assert.ok(breaks === undefined || catalogue.find('pump', does.version)?.sha256 === sha256);
        if (sha256 !== undefined) assert.equal(image.sha256, sha256);
        return from > 0 ? 'went on' : '2.01';
      } catch (error) {
        assert.ok(error instanceof RequestFailure, String(error));
        const possible: readonly number[] = [
          ...(breaks === undefined ? [] : [Code.RequestEntityIncomplete]),
          // A part may be damaged from an earlier request too.
          Code.BadRequest,
          Code.RequestEntityTooLarge,
        ];
        assert.ok(possible.includes(error.code), `${error.code}: ${error.message}`);
        return codeText(error.code);
      }
    }
  }
}

for (const maxBytes of [1_000_000, 3000]) {
  test(`whatever is uploaded, broken off, removed and started again, with room for ${maxBytes} bytes: only whole firmware is seen`, async (t) => {
    const outcomes: string[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 25 }), async (steps) => {
        const stage = new Stage(temporaryFolder(t), maxBytes);
        await stage.restart();
        for (const does of steps) {
          outcomes.push(await run(stage, does));
          stage.check();
        }
      }),
      { numRuns, seed: 65 },
    );
    for (const expected of ['2.01', 'went on', '4.00', '4.08', ...(maxBytes < 5000 ? ['4.13'] : [])]) {
      assert.ok(outcomes.includes(expected), `${expected} did not happen: the test shows nothing of it`);
    }
  });
}

test('two uploads of one version at a time: the newer one counts, the older one ends with 4.09', async (t) => {
  const stage = await started(t);
  const [one] = contents as [Uint8Array];
  const target = { name: 'pump', version: '1', isUpload: false };
  const sha256 = digest(one);
  let more: (() => void) | undefined;
  const begun = Promise.withResolvers<void>();
  async function* stuck(): AsyncGenerator<Uint8Array> {
    yield one.subarray(0, 256);
    begun.resolve();
    await new Promise<void>((resolve) => {
      more = resolve;
    });
  }
  const older = { body: ReadableStream.from(stuck()), options: new OptionSet() } as unknown as Request;
  const first = stage.uploads.receive(older, target, { sha256, from: 0 });
  const ended = first.then(
    () => undefined,
    (error: unknown) => error,
  );
  await begun.promise;
  const [second, third] = [1, 2].map(() =>
    stage.uploads.receive(putOf(one, undefined), target, { sha256, from: 0 }).then(
      ({ isNew }) => isNew,
      (error: unknown) => error,
    ),
  );
  const error = await ended;
  assert.ok(error instanceof RequestFailure && error.code === Code.Conflict);
  const outcomes = await Promise.all([second, third]);
  assert.ok(outcomes.includes(true), String(outcomes));
  stage.check();
  more?.();
});

test('of three uploads of one version the second ends as well, though nothing of it comes', async (t) => {
  const stage = await started(t);
  const [one] = contents as [Uint8Array];
  const target = { name: 'pump', version: '1', isUpload: false };
  const receive = (request: Request): Promise<unknown> =>
    stage.uploads.receive(request, target, { sha256: digest(one), from: 0 }).then(
      ({ isNew }) => isNew,
      (error: unknown) => (error instanceof RequestFailure ? codeText(error.code) : error),
    );
  const silent = (): Request =>
    ({ body: new ReadableStream(), options: new OptionSet() }) as unknown as Request;
  const outcomes = await Promise.all([receive(silent()), receive(silent()), receive(putOf(one, undefined))]);
  assert.deepEqual(outcomes, ['4.09', '4.09', true]);
  stage.check();
});

test('an upload that nobody goes on with for a week is given up, over restarts, and its room is free again', async (t) => {
  const stage = new Stage(temporaryFolder(t), 2200);
  await stage.restart();
  const [one, two] = contents as [Uint8Array, Uint8Array];
  const put = (content: Uint8Array, version: string, breaksAfter?: number, from = 0): Promise<unknown> =>
    stage.uploads
      .receive(
        putOf(content.subarray(from), breaksAfter),
        { name: 'pump', version, isUpload: false },
        { sha256: digest(content), from },
      )
      .then(
        () => '2.01',
        (error: unknown) => (error instanceof RequestFailure ? codeText(error.code) : error),
      );
  assert.deepEqual([await put(one, '1', 256), await put(two, '2', 128)], ['4.08', '4.08']);
  stage.nowMs = unfinishedLifetimeMs - 1;
  await stage.restart();
  assert.deepEqual(await stage.uploads.expire(), []);
  assert.equal(await put(one, '1', 128, 256), '4.08', 'somebody goes on with the first');
  stage.nowMs += 1;
  assert.deepEqual(
    (await stage.uploads.expire()).map(({ version: expired }) => expired),
    ['2'],
  );
  assert.equal(stage.uploads.received({ name: 'pump', version: '1' }), 384);
  stage.check();
  assert.equal(await put(one, '1', undefined, 384), '2.01');
  assert.equal(await put(two, '2'), '2.01', 'there is room');
  stage.nowMs += unfinishedLifetimeMs;
  assert.deepEqual(await stage.uploads.expire(), []);
  stage.check();
});

test('an upload that somebody goes on with while another one is given up stays', async (t) => {
  const stage = new Stage(temporaryFolder(t), 6000);
  await stage.restart();
  const put = (version: string, from: number): Promise<unknown> => {
    const whole = contents[2] as Uint8Array;
    const target = { name: 'pump', version, isUpload: false };
    return assert.rejects(
      stage.uploads.receive(putOf(whole.subarray(from), 128), target, { sha256: digest(whole), from }),
      RequestFailure,
    );
  };
  await put('1', 0);
  await put('2', 0);
  stage.nowMs += unfinishedLifetimeMs;
  stage.beforeChange = async () => {
    stage.beforeChange = () => Promise.resolve();
    await put('2', 128);
  };
  assert.deepEqual(
    (await stage.uploads.expire()).map(({ version: expired }) => expired),
    ['1'],
  );
  assert.equal(stage.uploads.received({ name: 'pump', version: '2' }), 256);
  stage.check();
});

test('uploads at a time take no more room than there is for all of them', async (t) => {
  const stage = new Stage(temporaryFolder(t), 3000);
  await stage.restart();
  const outcomes = await Promise.all(
    ['1', '2', '3'].map((version, index) => {
      const whole = contents[index] as Uint8Array;
      const target = { name: 'pump', version, isUpload: false };
      return stage.uploads.receive(putOf(whole, undefined), target, { sha256: digest(whole), from: 0 }).then(
        () => '2.01',
        (error: unknown) => (error instanceof RequestFailure ? codeText(error.code) : error),
      );
    }),
  );
  assert.ok(outcomes.includes('4.13'), `4,200 bytes do not fit: ${outcomes}`);
  stage.check();
});

test('a version goes while another one of the same content comes: its file stays', async (t) => {
  const stage = await started(t);
  const [one] = contents as [Uint8Array];
  const sha256 = digest(one);
  const put = (version: string): Promise<unknown> =>
    stage.uploads.receive(
      putOf(one, undefined),
      { name: 'pump', version, isUpload: false },
      { sha256, from: 0 },
    );
  await put('1');
  const published = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  stage.beforeChange = async ({ put: states = [] }) => {
    if (!states.some(({ name }) => name === 'firmware:pump/2')) return;
    published.resolve();
    await release.promise;
  };
  const coming = put('2');
  await published.promise;
  const image = stage.catalogue.find('pump', '1');
  assert.ok(image !== undefined);
  await stage.catalogue.remove(image);
  const removing = stage.uploads.removeUnused(sha256);
  release.resolve();
  await Promise.all([coming, removing]);
  stage.check();
  assert.equal(stage.catalogue.images().length, 1);
});

test('a firmware whose record cannot be kept leaves no file behind', async (t) => {
  const stage = await started(t);
  const [one] = contents as [Uint8Array];
  stage.beforeChange = ({ put: states = [] }) =>
    states.some(({ name }) => name === 'firmware:pump/1')
      ? Promise.reject(new Error('the disk is full'))
      : Promise.resolve();
  const target = { name: 'pump', version: '1', isUpload: false };
  await assert.rejects(
    stage.uploads.receive(putOf(one, undefined), target, { sha256: digest(one), from: 0 }),
    /the disk is full/,
  );
  stage.check();
});

test('no path and no query makes more than a name or a refusal', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 6 }), (segments) => {
      const target = refusal(() => firmwareTarget({ segments: ['firmware', ...segments] }));
      if (target instanceof RequestFailure) return;
      for (const word of [target.name, target.version ?? 'x']) assert.match(word, /^[\w.+~-]{1,64}$/);
      assert.ok(target.name !== '.' && target.name !== '..');
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 4 }), (query) => {
      const said = refusal(() => uploadQuery({ query }));
      if (said instanceof RequestFailure) return;
      assert.ok(said.sha256 === undefined || /^[0-9a-f]{64}$/.test(said.sha256));
      assert.ok(Number.isSafeInteger(said.from) && said.from >= 0);
    }),
  );
  const { sha256, from } = uploadQuery({ query: [`sha256=${'AB'.repeat(32)}`, 'from=7'] });
  assert.deepEqual([sha256, from], ['ab'.repeat(32), 7]);
});

function refusal<Result>(work: () => Result): Result | RequestFailure {
  try {
    return work();
  } catch (error) {
    if (error instanceof RequestFailure) return error;
    throw error;
  }
}

async function started(t: TestContext): Promise<Stage> {
  const stage = new Stage(temporaryFolder(t), 1_000_000);
  await stage.restart();
  return stage;
}
