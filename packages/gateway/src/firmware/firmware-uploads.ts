/**
 * Uploads of firmware: written to a file as they come, checked by their SHA-256, and only then to be seen (docs/resources.md).
 *
 * An upload with a SHA-256 goes on after its connection, its device or the gateway has died: what came before stays, and a later
 * request says from which byte on it brings the rest. The newest request for a version counts; one before it, of which the client
 * may be long gone, ends. What nobody goes on with for a week is given up.
 */
import { randomBytes } from 'node:crypto';
import { Code, expectPreconditions, OptionNumber, type Request, RequestFailure } from 'coapsule';
import type { WallClock } from '../server/wall-clock.ts';
import {
  type FirmwareCatalogue,
  type FirmwareImage,
  labelOf,
  type UnfinishedUpload,
} from './firmware-catalogue.ts';
import { FirmwareFiles, type OpenPart } from './firmware-files.ts';
import { etagOf } from './firmware-image.ts';
import type { FirmwareTarget, UploadQuery } from './firmware-path.ts';

/** What uploads work with. */
export interface UploadParts {
  readonly catalogue: FirmwareCatalogue;
  readonly files: FirmwareFiles;
  /** What all firmware may take on the disk, unfinished uploads too, in bytes. */
  readonly maxBytes: number;
  readonly clock: WallClock;
  /** For what lasts (server/lifetime-clock.ts). */
  readonly lasting: WallClock;
}

/** How long an upload can be gone on with after something last came of it, in ms. */
export const unfinishedLifetimeMs: number = 7 * 86_400_000;

/** What came of one. */
export interface Uploaded {
  readonly image: FirmwareImage;
  /** False: the same was there before. */
  readonly isNew: boolean;
}

/** Versions and unfinished uploads that there may be. */
const maxLabels = 1000;

/** Digits of the SHA-256 that are the version of a firmware which comes without one. */
const versionDigits = 12;

const overtaken = new RequestFailure(Code.Conflict, 'another upload of it has begun');
const stopping = new RequestFailure(Code.ServiceUnavailable, 'the gateway stops', { maxAgeSeconds: 1 });

/** Of a part. */
interface PartBytes {
  /** Written. */
  readonly received: number;
  /** Those that are being written too: no other upload may count on their room. */
  readonly claimed: number;
}

interface ActiveUpload {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** See the module comment. */
export class FirmwareUploads {
  readonly #parts: UploadParts;
  readonly #active = new Map<string, ActiveUpload>();
  /** Bytes of each part, by its file. */
  readonly #partBytes = new Map<string, PartBytes>();
  /** What was done last with files of whole ones: one after the other, or a removal takes what is about to get its record. */
  #lastFileChange: Promise<unknown> = Promise.resolve();

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  /** Look at what an earlier process has left. @returns versions whose file is not there, or not whole: nobody sees them. */
  async begin(): Promise<readonly FirmwareImage[]> {
    const { catalogue, files, lasting } = this.#parts;
    for (const upload of catalogue.uploads())
      if (upload.touchedAtMs === undefined) await catalogue.begin({ ...upload, touchedAtMs: lasting() });
    const parts = catalogue.uploads().map((upload) => FirmwareFiles.partFile(labelOf(upload)));
    await files.tidy((file) => parts.includes(file) || catalogue.holds(file.replace(/\.bin$/, '')));
    for (const file of parts) this.#setPartBytes(file, await files.size(file));
    const missing: FirmwareImage[] = [];
    for (const image of catalogue.images()) {
      if ((await files.size(FirmwareFiles.imageFile(image.sha256))) !== image.size) missing.push(image);
    }
    for (const image of missing) catalogue.hide(image);
    return missing;
  }

  /** End those that are under way: they can go on with the next process. */
  stop(): void {
    for (const { abort } of this.#active.values()) abort.abort(stopping);
  }

  /** Give up those that nobody went on with for too long. @returns those that were. */
  async expire(): Promise<readonly UnfinishedUpload[]> {
    const { catalogue, lasting } = this.#parts;
    const expired: UnfinishedUpload[] = [];
    for (const { name, version } of catalogue.uploads()) {
      // As it is now: while one before it was given up, somebody may have gone on with it, or come to its end.
      const upload = catalogue.upload(name, version);
      if (upload === undefined) continue;
      const { touchedAtMs = lasting() } = upload;
      if (this.#active.has(labelOf(upload)) || lasting() - touchedAtMs < unfinishedLifetimeMs) continue;
      await this.giveUp(upload);
      expired.push(upload);
    }
    return expired;
  }

  /** How much of an upload is there, in bytes. */
  received(upload: { readonly name: string; readonly version: string }): number {
    return this.#partBytes.get(FirmwareFiles.partFile(labelOf(upload)))?.received ?? 0;
  }

  /**
   * Take a firmware, or the rest of one.
   *
   * @throws RequestFailure 4.08 when the body breaks off, 4.09 when the part before it is not there or another upload takes its
   *         place, 4.12, 4.13 where there is no room, 4.00 for what has another SHA-256; StoreFault.
   */
  async receive(request: Request, target: FirmwareTarget, query: UploadQuery): Promise<Uploaded> {
    const { name } = target;
    const version = target.version ?? query.sha256?.slice(0, versionDigits);
    // Of one without SHA-256 nothing says what it is until it is whole; nobody goes on with it.
    const label = version === undefined ? randomBytes(8).toString('hex') : labelOf({ name, version });
    const active = await this.#takeOver(label);
    try {
      // One before may have come to its end just now.
      const present = await this.#present(request, target, { ...query, version });
      if (present !== undefined) return { image: present, isNew: false };
      return await this.#write(request, target, { ...query, version, label, signal: active.signal });
    } finally {
      active.end();
    }
  }

  /** What is there already of what a request brings. @throws RequestFailure where it may not bring anything. */
  async #present(
    request: Request,
    target: FirmwareTarget,
    { sha256, version }: UploadQuery & { readonly version: string | undefined },
  ): Promise<FirmwareImage | undefined> {
    const { catalogue, files } = this.#parts;
    this.#expectWanted(request, target);
    const present = version === undefined ? undefined : catalogue.find(target.name, version);
    if (present !== undefined && present.sha256 === sha256) {
      if ((await files.size(FirmwareFiles.imageFile(sha256))) === present.size) return present;
    }
    const isKnown =
      present !== undefined ||
      (version !== undefined && catalogue.upload(target.name, version) !== undefined);
    if (!isKnown && catalogue.images().length + catalogue.uploads().length >= maxLabels) {
      throw new RequestFailure(Code.Conflict, `there are ${maxLabels} versions: delete one`);
    }
    return undefined;
  }

  /** Forget an upload that did not come to its end. */
  async giveUp(upload: { readonly name: string; readonly version: string }): Promise<void> {
    const active = await this.#takeOver(labelOf(upload));
    try {
      await this.#forget(upload);
    } finally {
      active.end();
    }
  }

  async #write(
    request: Request,
    target: FirmwareTarget,
    {
      sha256,
      from,
      version,
      label,
      signal,
    }: UploadQuery & {
      readonly version: string | undefined;
      readonly label: string;
      readonly signal: AbortSignal;
    },
  ): Promise<Uploaded> {
    const { catalogue, files, clock } = this.#parts;
    const { name } = target;
    const file = FirmwareFiles.partFile(label);
    const canGoOn = sha256 !== undefined && version !== undefined;
    if (canGoOn) await this.#expectPart({ name, version, sha256, from, request });
    const announced = request.options.uint(OptionNumber.Size1);
    if (announced !== undefined) expectRoom(from + announced, this.#roomFor(file));
    const part = await files.part(file);
    let isWhole = false;
    try {
      const size = await this.#copy(request, part, { file, from, signal });
      if (size === 0) throw new RequestFailure(Code.BadRequest, 'a firmware has at least one byte');
      await part.end(size);
      isWhole = true;
      const digest = await files.digest(file);
      if (sha256 !== undefined && digest !== sha256) {
        if (version !== undefined) await this.#forget({ name, version });
        throw new RequestFailure(Code.BadRequest, `the SHA-256 is ${digest}: the upload begins again`);
      }
      const replaced = catalogue.find(name, version ?? digest.slice(0, versionDigits));
      this.#expectWanted(request, target);
      const image = {
        name,
        version: version ?? digest.slice(0, versionDigits),
        sha256: digest,
        size,
        uploadedAtMs: clock(),
      };
      const added = await this.#changeFiles(async () => {
        await files.publish(file, digest);
        try {
          return await catalogue.add(image);
        } catch (error) {
          // Without a record nobody would see it, nor count it.
          if (!catalogue.holds(digest)) await files.remove(FirmwareFiles.imageFile(digest)).catch(() => {});
          throw error;
        } finally {
          this.#partBytes.delete(file);
        }
      });
      if (replaced !== undefined) await this.removeUnused(replaced.sha256);
      return { image: added, isNew: true };
    } finally {
      await part.close();
      // After `publish` there is none; where it did not come to that, a whole one was not wanted in the end.
      if (!canGoOn) await this.#removePart(file);
      else if (isWhole) await this.#forget({ name, version }).catch(() => {});
      else await this.#touch({ name, version }).catch(() => {});
    }
  }

  /** Something came of an upload until now. */
  async #touch(upload: { readonly name: string; readonly version: string }): Promise<void> {
    const { catalogue, lasting } = this.#parts;
    const known = catalogue.upload(upload.name, upload.version);
    if (known !== undefined) await catalogue.begin({ ...known, touchedAtMs: lasting() });
  }

  /** Remove the file of a content that no version has any more. */
  removeUnused(sha256: string): Promise<void> {
    const { catalogue, files } = this.#parts;
    return this.#changeFiles(async () => {
      if (!catalogue.holds(sha256)) await files.remove(FirmwareFiles.imageFile(sha256));
    });
  }

  #changeFiles<Result>(change: () => Promise<Result>): Promise<Result> {
    const changing = this.#lastFileChange.then(change);
    this.#lastFileChange = changing.catch(() => {});
    return changing;
  }

  /** What is there now under the target, when the conditions of the request let it be replaced. */
  #expectWanted(request: Request, { name, version }: FirmwareTarget): FirmwareImage | undefined {
    const present = this.#parts.catalogue.find(name, version);
    expectPreconditions(request, {
      exists: present !== undefined,
      ...(present === undefined ? {} : { etag: etagOf(present) }),
    });
    return present;
  }

  /** The part that the body goes on with is there; a part of another content goes. */
  async #expectPart({
    name,
    version,
    sha256,
    from,
    request,
  }: {
    readonly name: string;
    readonly version: string;
    readonly sha256: string;
    readonly from: number;
    readonly request: Request;
  }): Promise<void> {
    const { catalogue, lasting } = this.#parts;
    const known = catalogue.upload(name, version);
    if (known !== undefined && known.sha256 !== sha256) await this.#forget({ name, version });
    const received = known?.sha256 === sha256 ? this.received({ name, version }) : 0;
    if (from > received) {
      throw new RequestFailure(Code.Conflict, `there are ${received} bytes of it: go on from=${received}`);
    }
    const announced = request.options.uint(OptionNumber.Size1);
    const size = announced === undefined ? undefined : from + announced;
    const upload = known?.sha256 === sha256 ? known : { name, version, sha256, size };
    await catalogue.begin({ ...upload, touchedAtMs: lasting() });
  }

  /** Copies the body to its place; fulfils with where it ends. */
  async #copy(
    request: Request,
    part: OpenPart,
    { file, from, signal }: { readonly file: string; readonly from: number; readonly signal: AbortSignal },
  ): Promise<number> {
    const reader = request.body.getReader();
    const cancel = (): void => void reader.cancel().catch(() => {});
    signal.addEventListener('abort', cancel);
    // Overtaken while it waited for the one before: there is no event any more.
    if (signal.aborted) cancel();
    let position = from;
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(() => {
          throw new RequestFailure(Code.RequestEntityIncomplete, 'the rest of the firmware did not come');
        });
        if (signal.aborted) throw signal.reason;
        if (done) return position;
        // Looked at for each piece: other uploads take of the same room meanwhile.
        expectRoom(position + value.length, this.#roomFor(file));
        this.#setPartBytes(file, part.received, position + value.length);
        await part.write(value, position);
        position += value.length;
        this.#setPartBytes(file, part.received);
      }
    } finally {
      // What a write that failed has left counts as far as it is known.
      this.#setPartBytes(file, part.received);
      signal.removeEventListener('abort', cancel);
    }
  }

  /** What one part may take, beside all that is there. */
  #roomFor(file: string): number {
    const { catalogue, maxBytes } = this.#parts;
    const bytes = new Map(catalogue.images().map(({ sha256, size }) => [sha256, size]));
    const others = [...this.#partBytes].filter(([other]) => other !== file);
    const taken = [...bytes.values(), ...others.map(([, { claimed }]) => claimed)];
    return maxBytes - taken.reduce((sum, size) => sum + size, 0);
  }

  #setPartBytes(file: string, received: number, claimed = received): void {
    this.#partBytes.set(file, { received, claimed: Math.max(received, claimed) });
  }

  async #removePart(file: string): Promise<void> {
    this.#partBytes.delete(file);
    await this.#parts.files.remove(file);
  }

  async #forget(upload: { readonly name: string; readonly version: string }): Promise<void> {
    const { catalogue } = this.#parts;
    if (catalogue.upload(upload.name, upload.version) !== undefined) await catalogue.giveUp(upload);
    await this.#removePart(FirmwareFiles.partFile(labelOf(upload)));
  }

  /** Ends the upload of a label that is under way, and takes its place. */
  async #takeOver(label: string): Promise<{ readonly signal: AbortSignal; readonly end: () => void }> {
    const former = this.#active.get(label);
    const abort = new AbortController();
    const done = Promise.withResolvers<void>();
    const own = { abort, done: done.promise };
    this.#active.set(label, own);
    former?.abort.abort(overtaken);
    await former?.done;
    return {
      signal: abort.signal,
      end: () => {
        if (this.#active.get(label) === own) this.#active.delete(label);
        done.resolve();
      },
    };
  }
}

/** @throws RequestFailure 4.13, with Size1 that says what there is room for (RFC 7959 §4). */
function expectRoom(wanted: number, room: number): void {
  if (wanted <= room) return;
  throw new RequestFailure(
    Code.RequestEntityTooLarge,
    `there is room for ${Math.max(0, room)} bytes: delete a version, or give the gateway more with --max-firmware`,
    { options: [{ number: OptionNumber.Size1, value: Math.max(0, room) }] },
  );
}
