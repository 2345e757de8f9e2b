/** A serial line without hardware: two pseudo-terminals that socat connects. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type BackgroundProcess, start, temporaryFolder, until } from './process.ts';

/** Both ends of a line; it ends with the test. */
export class VirtualLine {
  /** The device at each end, under the same name each time it is plugged in. */
  readonly near: string;
  readonly far: string;
  readonly #t: TestContext;
  #socat: BackgroundProcess | undefined;

  private constructor(t: TestContext, folder: string, name: string) {
    this.#t = t;
    this.near = join(folder, `${name}-near`);
    this.far = join(folder, `${name}-far`);
  }

  /** A line whose devices are there. @param name first part of their names. */
  static async open(t: TestContext, name = 'tty'): Promise<VirtualLine> {
    const line = VirtualLine.unplugged(t, name);
    await line.plug();
    return line;
  }

  /** A line whose devices are not there yet. */
  static unplugged(t: TestContext, name = 'tty'): VirtualLine {
    return new VirtualLine(t, temporaryFolder(t), name);
  }

  /** Makes the devices. */
  async plug(): Promise<void> {
    const device = (link: string): string => `PTY,raw,echo=0,link=${link}`;
    this.#socat = start(this.#t, 'socat', [device(this.near), device(this.far)]);
    await until(() => existsSync(this.near) && existsSync(this.far), 'socat made its devices');
  }

  /** Takes them away, as pulling a USB adapter does. */
  async unplug(): Promise<void> {
    await this.#socat?.stop('SIGKILL');
    for (const link of [this.near, this.far]) rmSync(link, { force: true });
  }
}

/** The URI of a line by its device. */
export function lineUri(scheme: 'coap+serial' | 'coaps+serial', device: string, baudRate = 115_200): string {
  return `${scheme}://${encodeURIComponent(device)}:${baudRate}`;
}
