/**
 * The bytes of firmware, in `firmware/` of the data folder: whole ones by their SHA-256, parts of uploads by their name and version.
 *
 * A whole one gets its name when all of it is on the disk and was read back. It knows nothing of who may do what, nor of sizes that
 * are allowed.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RandomAccessBody } from 'coapsule';
import { StoreFault, storeFaultOf } from '../store/store-fault.ts';

/** A part that is written. */
export interface OpenPart {
  /** Bytes that are there now. */
  readonly received: number;
  /** Writes at a place; the part ends no earlier than behind it. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** All of it is there and ends at `size`: on the disk when this fulfils. */
  end(size: number): Promise<void>;
  close(): Promise<void>;
}

/** See the module comment. */
export class FirmwareFiles {
  readonly #folder: string;
  /** Files that are read, with the number of bodies that read them. */
  readonly #open = new Map<string, { readonly handle: Promise<FileHandle>; readers: number }>();

  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, 'firmware');
  }

  /** Remove what no record speaks of: a crash came between file and record. */
  async tidy(isKnown: (file: string) => boolean): Promise<void> {
    const files = await readdir(this.#folder).catch(() => []);
    for (const file of files) {
      if (/\.(bin|part)$/.test(file) && !isKnown(file)) await rm(join(this.#folder, file), { force: true });
    }
  }

  /** The file of a whole one. */
  static imageFile(sha256: string): string {
    return `${sha256}.bin`;
  }

  /** The file of an upload, whatever the file system makes of capital letters. */
  static partFile(label: string): string {
    return `${createHash('sha256').update(label).digest('hex').slice(0, 32)}.part`;
  }

  /** Bytes of a file; 0 when it is not there. */
  async size(file: string): Promise<number> {
    return (await stat(join(this.#folder, file)).catch(() => undefined))?.size ?? 0;
  }

  /** Open a part, or begin it. @throws StoreFault */
  async part(file: string): Promise<OpenPart> {
    const path = join(this.#folder, file);
    return this.#faulting(path, async () => {
      await mkdir(this.#folder, { mode: 0o700, recursive: true });
      // What is there stays: nothing is written before it is known where.
      const handle = await open(path, 'a', 0o600).then(async (made) => {
        await made.close();
        return open(path, 'r+');
      });
      let received = (await handle.stat()).size;
      return {
        get received() {
          return received;
        },
        write: (bytes: Uint8Array, position: number) =>
          this.#faulting(path, async () => {
            for (let done = 0; done < bytes.length; ) {
              done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
            }
            received = Math.max(received, position + bytes.length);
          }),
        end: (size: number) =>
          this.#faulting(path, async () => {
            await handle.truncate(size);
            await handle.sync();
          }),
        close: () => handle.close(),
      };
    });
  }

  /** SHA-256 of a file as it can be read back, in hexadecimal digits. @throws StoreFault */
  digest(file: string): Promise<string> {
    const path = join(this.#folder, file);
    return this.#faulting(path, async () => {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
      return hash.digest('hex');
    });
  }

  /** A part becomes a whole one, under a name that lasts. @throws StoreFault */
  publish(part: string, sha256: string): Promise<void> {
    const path = join(this.#folder, FirmwareFiles.imageFile(sha256));
    return this.#faulting(path, async () => {
      await rename(join(this.#folder, part), path);
      // The name is on the disk no later than the record that says it.
      const folder = await open(this.#folder, 'r').catch(() => undefined);
      await folder?.sync().catch(() => {});
      await folder?.close();
    });
  }

  /** @throws StoreFault */
  remove(file: string): Promise<void> {
    const path = join(this.#folder, file);
    return this.#faulting(path, () => rm(path, { force: true }));
  }

  /** A whole one, read where and when its blocks are sent; one file is open once, however many read it. */
  body(sha256: string, length: number): RandomAccessBody {
    const path = join(this.#folder, FirmwareFiles.imageFile(sha256));
    let isReading = false;
    return {
      length,
      read: (offset, size) => {
        const reader = this.#open.get(path) ?? { handle: open(path, 'r'), readers: 0 };
        this.#open.set(path, reader);
        if (!isReading) reader.readers++;
        isReading = true;
        return this.#faulting(path, async () => {
          const bytes = new Uint8Array(size);
          const { bytesRead } = await (await reader.handle).read(bytes, 0, size, offset);
          return bytes.subarray(0, bytesRead);
        });
      },
      close: async () => {
        const reader = this.#open.get(path);
        if (!isReading || reader === undefined) return;
        isReading = false;
        if (--reader.readers > 0) return;
        this.#open.delete(path);
        await reader.handle.then((handle) => handle.close()).catch(() => {});
      },
    };
  }

  async #faulting<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof StoreFault ? error : storeFaultOf(error, path);
    }
  }
}
