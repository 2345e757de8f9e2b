/**
 * Reads capture files: pcap with micro- and nanoseconds, pcapng, in both byte orders.
 *
 * Bytes to packets, with the TLS key log that pcapng may hold (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng). What a block
 * is for that is not listed here is skipped. Never throws for what is in a file: a fault says where it stops making sense, and all
 * before it counts. Does not look into packets (link-layer.ts).
 *
 * @module
 */

/** One packet as it was captured. */
export interface CapturedPacket {
  /** Its number in the file, from 1, as Wireshark counts. */
  readonly frame: number;
  /** Milliseconds since 1970, with a fraction. 0 for a packet without a time. */
  readonly wallTimeMs: number;
  /** LINKTYPE_ value of the interface. */
  readonly linkType: number;
  /** A view of the file. */
  readonly bytes: Uint8Array;
  /** Bytes that it had on the wire; more than there are here if it was cut. */
  readonly originalLength: number;
}

/** Where a file stops making sense. */
export interface CaptureFault {
  readonly offset: number;
  readonly reason: string;
}

/** As commands say it. */
export function captureFaultText({ offset, reason }: CaptureFault): string {
  return `the capture makes no sense from byte ${offset} on: ${reason}`;
}

/** All of a file. */
export interface CaptureContents {
  readonly packets: readonly CapturedPacket[];
  /** Lines of TLS key logs, in their order. */
  readonly keyLog: readonly string[];
  readonly fault?: CaptureFault;
}

/** Larger packets are no packets: the file is damaged. */
const largestPacket = 256 * 1024 * 1024;

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const DECRYPTION_SECRETS = 10;
const TLS_KEY_LOG = 0x544c534b;
const TIME_RESOLUTION = 9;
const TIME_OFFSET = 14;

/** Reads a whole file. */
export function readCapture(file: Uint8Array): CaptureContents {
  if (file.length < 4)
    return nothing(0, `a capture begins with 4 bytes that say its format, not ${file.length}`);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const first = view.getUint32(0);
  if (first === SECTION_HEADER) return new PcapngReader(file, view).read();
  for (const isLittle of [true, false]) {
    const magic = view.getUint32(0, isLittle);
    if (magic === 0xa1b2c3d4) return readPcap(file, view, isLittle, 1000);
    if (magic === 0xa1b23c4d) return readPcap(file, view, isLittle, 1_000_000);
  }
  return nothing(0, 'this is neither pcap nor pcapng');
}

/** @param fractions of a second in the second word of a time, by a thousand: to milliseconds. */
function readPcap(file: Uint8Array, view: DataView, isLittle: boolean, perMs: number): CaptureContents {
  if (file.length < 24) return nothing(file.length, 'the header of a pcap file has 24 bytes');
  // The upper bits say whether there is a frame check sequence; it is behind what is looked at.
  const linkType = view.getUint32(20, isLittle) & 0xffff;
  const packets: CapturedPacket[] = [];
  let offset = 24;
  while (offset < file.length) {
    if (offset + 16 > file.length) return { packets, keyLog: [], fault: cut(offset, 'header of a packet') };
    const length = view.getUint32(offset + 8, isLittle);
    if (length > largestPacket) {
      return { packets, keyLog: [], fault: { offset: offset + 8, reason: `a packet of ${length} bytes` } };
    }
    if (offset + 16 + length > file.length) return { packets, keyLog: [], fault: cut(offset + 16, 'packet') };
    packets.push({
      frame: packets.length + 1,
      wallTimeMs: view.getUint32(offset, isLittle) * 1000 + view.getUint32(offset + 4, isLittle) / perMs,
      linkType,
      bytes: file.subarray(offset + 16, offset + 16 + length),
      originalLength: view.getUint32(offset + 12, isLittle),
    });
    offset += 16 + length;
  }
  return { packets, keyLog: [] };
}

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Units of its times in a second. */
  readonly unitsPerSecond: number;
  readonly offsetSeconds: number;
}

class PcapngReader {
  readonly #file: Uint8Array;
  readonly #view: DataView;
  readonly #packets: CapturedPacket[] = [];
  readonly #keyLog: string[] = [];
  /** Of the section that is being read. */
  #interfaces: Interface[] = [];
  #isLittle = true;

  constructor(file: Uint8Array, view: DataView) {
    this.#file = file;
    this.#view = view;
  }

  read(): CaptureContents {
    let offset = 0;
    while (offset < this.#file.length) {
      if (offset + 12 > this.#file.length) return this.#contents(cut(offset, 'block'));
      if (this.#view.getUint32(offset) === SECTION_HEADER) {
        const magic = this.#view.getUint32(offset + 8);
        if (magic !== 0x1a2b3c4d && magic !== 0x4d3c2b1a) {
          return this.#contents({ offset: offset + 8, reason: 'a section without byte-order magic' });
        }
        this.#isLittle = magic === 0x4d3c2b1a;
        this.#interfaces = [];
      }
      const type = this.#u32(offset);
      const length = this.#u32(offset + 4);
      if (length < 12 || length % 4 !== 0) {
        return this.#contents({ offset: offset + 4, reason: `a block of ${length} bytes` });
      }
      if (offset + length > this.#file.length) return this.#contents(cut(offset, 'block'));
      const problem = this.#block(type, offset + 8, offset + length - 4);
      if (problem !== undefined) return this.#contents({ offset, reason: problem });
      offset += length;
    }
    return this.#contents();
  }

  #contents(fault?: CaptureFault): CaptureContents {
    return { packets: this.#packets, keyLog: this.#keyLog, ...(fault !== undefined && { fault }) };
  }

  #block(type: number, start: number, end: number): string | undefined {
    switch (type) {
      case INTERFACE_DESCRIPTION:
        return this.#interface(start, end);
      case ENHANCED_PACKET:
        return this.#packet(start, end, this.#u32Within(start, end), start + 4);
      case PACKET:
        // Two bytes of interface and two of drops; obsolete, but old files have it.
        return end - start < 20
          ? 'a packet block that is cut'
          : this.#packet(start, end, this.#u16(start), start + 4);
      case SIMPLE_PACKET: {
        const [first] = this.#interfaces;
        if (first === undefined || end - start < 4) return 'a packet without an interface';
        const originalLength = this.#u32(start);
        const captured = Math.min(originalLength, end - start - 4, first.snapLength || Infinity);
        this.#add(first, 0, start + 4, captured, originalLength);
        return undefined;
      }
      case DECRYPTION_SECRETS:
        return this.#secrets(start, end);
      default:
        return undefined;
    }
  }

  #interface(start: number, end: number): string | undefined {
    if (end - start < 8) return 'an interface that is cut';
    let unitsPerSecond = 1_000_000;
    let offsetSeconds = 0;
    let offset = start + 8;
    while (offset + 4 <= end) {
      const [code, length] = [this.#u16(offset), this.#u16(offset + 2)];
      if (code === 0 || offset + 4 + length > end) break;
      if (code === TIME_RESOLUTION && length === 1) {
        const resolution = this.#file[offset + 4]!;
        unitsPerSecond = resolution < 0x80 ? 10 ** resolution : 2 ** (resolution & 0x7f);
      }
      if (code === TIME_OFFSET && length === 8) {
        offsetSeconds = Number(this.#view.getBigInt64(offset + 4, this.#isLittle));
      }
      offset += 4 + Math.ceil(length / 4) * 4;
    }
    const [linkType, snapLength] = [this.#u16(start), this.#u32(start + 4)];
    this.#interfaces.push({ linkType, snapLength, unitsPerSecond, offsetSeconds });
    return undefined;
  }

  /** @param timeAt where time, lengths and bytes begin: alike in both kinds of block. */
  #packet(start: number, end: number, interfaceId: number | undefined, timeAt: number): string | undefined {
    if (interfaceId === undefined || end - start < 20) return 'a packet block that is cut';
    const from = this.#interfaces[interfaceId];
    if (from === undefined) return `a packet of interface ${interfaceId}, which there is not`;
    const units = this.#u32(timeAt) * 0x1_0000_0000 + this.#u32(timeAt + 4);
    const captured = this.#u32(timeAt + 8);
    if (timeAt + 16 + captured > end) return `a packet of ${captured} bytes in a smaller block`;
    this.#add(from, units, timeAt + 16, captured, this.#u32(timeAt + 12));
    return undefined;
  }

  #add(from: Interface, units: number, at: number, captured: number, originalLength: number): void {
    // Whole seconds apart: nanoseconds since 1970 are more than a number holds exactly.
    const seconds = Math.floor(units / from.unitsPerSecond);
    const rest = units - seconds * from.unitsPerSecond;
    this.#packets.push({
      frame: this.#packets.length + 1,
      wallTimeMs: (seconds + from.offsetSeconds) * 1000 + (rest / from.unitsPerSecond) * 1000,
      linkType: from.linkType,
      bytes: this.#file.subarray(at, at + captured),
      originalLength,
    });
  }

  #secrets(start: number, end: number): string | undefined {
    if (end - start < 8) return 'a block of secrets that is cut';
    const length = this.#u32(start + 4);
    if (start + 8 + length > end) return 'a block of secrets that is cut';
    if (this.#u32(start) !== TLS_KEY_LOG) return undefined;
    const text = new TextDecoder().decode(this.#file.subarray(start + 8, start + 8 + length));
    // One by one: there may be more lines than a call has room for arguments.
    for (const line of text.split(/\r?\n/)) if (line !== '') this.#keyLog.push(line);
    return undefined;
  }

  #u16(offset: number): number {
    return this.#view.getUint16(offset, this.#isLittle);
  }

  #u32(offset: number): number {
    return this.#view.getUint32(offset, this.#isLittle);
  }

  #u32Within(start: number, end: number): number | undefined {
    return end - start < 4 ? undefined : this.#u32(start);
  }
}

function nothing(offset: number, reason: string): CaptureContents {
  return { packets: [], keyLog: [], fault: { offset, reason } };
}

function cut(offset: number, what: string): CaptureFault {
  return { offset, reason: `the file ends inside a ${what}` };
}
