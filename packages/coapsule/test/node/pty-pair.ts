/**
 * A pair of pseudo-terminals connected to each other by socat: a serial line without hardware.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why tests with pseudo-terminals cannot run here; `false` when they can, or must. */
export const withoutPty: string | false =
  process.env['COAPSULE_REQUIRE_PEERS'] !== '1' && spawnSync('socat', ['-V']).error !== undefined
    ? 'socat is not installed'
    : false;

/** Two devices that are one line. */
export class PtyPair {
  readonly a: string;
  readonly b: string;
  readonly #folder: string;
  #socat: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.a = join(folder, 'a');
    this.b = join(folder, 'b');
  }

  static async open(): Promise<PtyPair> {
    const pair = new PtyPair(mkdtempSync(join(tmpdir(), 'coapsule-pty-')));
    await pair.plug();
    return pair;
  }

  /** Makes the devices, under the same names each time. */
  async plug(): Promise<void> {
    const pty = (link: string): string => `PTY,raw,echo=0,link=${link}`;
    const dumps = ['-r', join(this.#folder, 'from-a'), '-R', join(this.#folder, 'from-b')];
    this.#socat = spawn('socat', [...dumps, pty(this.a), pty(this.b)], { stdio: 'ignore' });
    for (let tries = 0; !(existsSync(this.a) && existsSync(this.b)); tries++) {
      if (tries > 500) throw new Error('socat made no pseudo-terminals');
      await sleep(10);
    }
  }

  /** All bytes that passed the line since it was plugged in last, from either end. */
  written(): { readonly a: Uint8Array; readonly b: Uint8Array } {
    return {
      a: Uint8Array.from(readFileSync(join(this.#folder, 'from-a'))),
      b: Uint8Array.from(readFileSync(join(this.#folder, 'from-b'))),
    };
  }

  /** Takes the devices away, as pulling a USB adapter does. */
  async unplug(): Promise<void> {
    const socat = this.#socat;
    this.#socat = undefined;
    if (socat === undefined) return;
    const ended = once(socat, 'exit');
    socat.kill('SIGKILL');
    await ended;
    for (const link of [this.a, this.b]) rmSync(link, { force: true });
  }

  async close(): Promise<void> {
    await this.unplug();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
