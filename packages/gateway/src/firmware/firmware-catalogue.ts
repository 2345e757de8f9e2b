/**
 * Which firmware there is, in which versions, and which uploads did not come to their end; what is known of each is in the store.
 * The bytes are in files (firmware-files.ts).
 */
import type { StateStore } from '../resources/kept-text.ts';
import type { KeptState } from '../store/state-table.ts';

/** One version of a firmware. */
export interface FirmwareImage {
  readonly name: string;
  readonly version: string;
  /** 64 lower-case hexadecimal digits; also the name of its file. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
  readonly uploadedAtMs: number;
  /** Of two versions the one with the greater number came later. */
  readonly order: number;
}

/** An upload that can go on. */
export interface UnfinishedUpload {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  /** Of all of it in bytes, where the client said it. */
  readonly size: number | undefined;
  /** When something last came of it, by the clock of what lasts; absent in records of earlier versions. */
  readonly touchedAtMs?: number | undefined;
}

const imagePrefix = 'firmware:';
const uploadPrefix = 'firmware-upload:';

/** See the module comment. */
export class FirmwareCatalogue {
  readonly #store: StateStore;
  readonly #images = new Map<string, FirmwareImage>();
  readonly #uploads = new Map<string, UnfinishedUpload>();
  readonly #hidden = new Map<string, FirmwareImage>();
  #order = 0;

  constructor(store: StateStore, states: readonly KeptState[]) {
    this.#store = store;
    for (const { name, value } of states) {
      const read = (): unknown => JSON.parse(new TextDecoder().decode(value));
      if (name.startsWith(imagePrefix)) {
        const image = read() as FirmwareImage;
        this.#images.set(labelOf(image), image);
        this.#order = Math.max(this.#order, image.order);
      } else if (name.startsWith(uploadPrefix)) {
        const upload = read() as UnfinishedUpload;
        this.#uploads.set(labelOf(upload), upload);
      }
    }
  }

  /** All of them, the oldest first. */
  images(name?: string): readonly FirmwareImage[] {
    return [...this.#images.values()]
      .filter((image) => name === undefined || image.name === name)
      .sort((one, other) => one.order - other.order);
  }

  /** A version; without one the newest. */
  find(name: string, version: string | undefined): FirmwareImage | undefined {
    return version === undefined ? this.images(name).at(-1) : this.#images.get(labelOf({ name, version }));
  }

  uploads(): readonly UnfinishedUpload[] {
    return [...this.#uploads.values()];
  }

  upload(name: string, version: string): UnfinishedUpload | undefined {
    return this.#uploads.get(labelOf({ name, version }));
  }

  /** Whether any version has this content, hidden ones too. */
  holds(sha256: string): boolean {
    return [...this.#images.values(), ...this.#hidden.values()].some((image) => image.sha256 === sha256);
  }

  /** Nobody sees a version until it is added again, or until another process has its file. */
  hide(image: FirmwareImage): void {
    this.#images.delete(labelOf(image));
    this.#hidden.set(labelOf(image), image);
  }

  /** A version that nobody sees: it can be removed. */
  hidden(name: string, version: string): FirmwareImage | undefined {
    return this.#hidden.get(labelOf({ name, version }));
  }

  /** An upload that can go on begins, or goes on, durably. */
  async begin(upload: UnfinishedUpload): Promise<void> {
    await this.#store.changeStates({ put: [state(uploadPrefix, upload)] });
    this.#uploads.set(labelOf(upload), upload);
  }

  /** An upload is given up, durably. */
  async giveUp(upload: Pick<UnfinishedUpload, 'name' | 'version'>): Promise<void> {
    const label = labelOf(upload);
    await this.#store.changeStates({ remove: [uploadPrefix + label] });
    this.#uploads.delete(label);
  }

  /** A version is there from now on, durably, in place of one of the same name; its upload is over. */
  async add(added: Omit<FirmwareImage, 'order'>): Promise<FirmwareImage> {
    const image = { ...added, order: ++this.#order };
    const label = labelOf(image);
    await this.#store.changeStates({ put: [state(imagePrefix, image)], remove: [uploadPrefix + label] });
    this.#images.set(label, image);
    this.#hidden.delete(label);
    this.#uploads.delete(label);
    return image;
  }

  /** A version goes, durably. */
  async remove(image: FirmwareImage): Promise<void> {
    const label = labelOf(image);
    await this.#store.changeStates({ remove: [imagePrefix + label] });
    this.#images.delete(label);
    this.#hidden.delete(label);
  }
}

/** No name has a slash. */
export function labelOf({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${name}/${version}`;
}

function state(prefix: string, value: FirmwareImage | UnfinishedUpload): KeptState {
  return {
    name: prefix + labelOf(value),
    value: new TextEncoder().encode(JSON.stringify(value)),
    contentFormat: undefined,
  };
}
