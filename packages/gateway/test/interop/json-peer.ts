/** The peers that are programs of these tests, which tell events as JSON: Scandium and Californium in Java, Mbed TLS in Python, pion/dtls in Go. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  californiumClassPath,
  cfOscoreClassPath,
  peerPython,
  pionProgram,
  scandiumClassPath,
} from './peer.ts';
import { type BackgroundProcess, start } from './process.ts';

/** One line of such a peer. */
export interface PeerEvent {
  readonly event:
    | 'ready'
    | 'response'
    | 'connected'
    | 'data'
    | 'ping'
    | 'alert'
    | 'failed'
    | 'sent'
    | 'error'
    | 'answered'
    | 'closed';
  readonly [field: string]: string | number | boolean | null;
}

/** A confirmable GET /hello with token 7a, in hexadecimal (RFC 7252 §3): what a peer's client sends. */
export const helloRequest = '410100017ab568656c6c6f';

/** A peer in the background. */
export class JsonPeer {
  readonly process: BackgroundProcess;

  constructor(process: BackgroundProcess) {
    this.process = process;
  }

  /** All events so far. */
  get events(): PeerEvent[] {
    const lines = this.process.output.split('\n').filter((line) => /^\{.*\}$/.test(line));
    return lines.map((line) => JSON.parse(line));
  }

  /** Resolves with the nth event of this kind, the first by default. */
  async event(name: PeerEvent['event'], nth = 1): Promise<PeerEvent> {
    await this.process.waitFor(new RegExp(`(^\\{"event": ?"${name}".*\\}\\n[^]*){${nth}}`, 'm'), 30_000);
    return this.events.filter(({ event }) => event === name)[nth - 1]!;
  }

  /** Writes a command line; Scandium and Californium only. */
  say(command: string): void {
    this.process.write(`${command}\n`);
  }
}

/** Starts Scandium, with the options that `ScandiumPeer.java` names, and waits until it is ready. */
export async function startScandium(
  t: TestContext,
  role: 'server' | 'client',
  port: number,
  ...options: readonly string[]
): Promise<JsonPeer> {
  return startJava(t, scandiumClassPath, 'ScandiumPeer', role, String(port), ...options);
}

/** Starts Californium over plain UDP, as `CaliforniumPeer.java` says, and waits until it is ready. */
export function startCalifornium(t: TestContext, role: 'server' | 'client', port = 0): Promise<JsonPeer> {
  return startJava(t, californiumClassPath, 'CaliforniumPeer', role, String(port));
}

/**
 * Starts Californium under OSCORE, as `CfOscorePeer.java` says, and waits until it is ready.
 *
 * @param place Port of a server; authority that a client has its context for.
 * @param state Next Sender Sequence Number, or `anew`.
 */
export function startCfOscore(
  t: TestContext,
  role: 'server' | 'client',
  place: number | string,
  state: number | 'anew' = 0,
): Promise<JsonPeer> {
  return startJava(t, cfOscoreClassPath, 'CfOscorePeer', role, String(place), String(state));
}

async function startJava(
  t: TestContext,
  classPath: string,
  ...command: readonly string[]
): Promise<JsonPeer> {
  const machine = [
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
  ];
  const peer = new JsonPeer(start(t, 'java', [...machine, '-cp', classPath, ...command]));
  await peer.event('ready');
  return peer;
}

/** Starts Mbed TLS, with the options that `mbedtls_peer.py` names, and waits until it is ready. */
export async function startMbedtls(
  t: TestContext,
  role: 'server' | 'client',
  port: number,
  ...options: readonly string[]
): Promise<JsonPeer> {
  const program = join(import.meta.dirname, 'mbedtls/mbedtls_peer.py');
  const peer = new JsonPeer(start(t, peerPython, [program, role, String(port), ...options]));
  await peer.event('ready');
  return peer;
}

/** Starts pion/dtls on a serial device, with the credentials that `pion_peer.go` names, and waits until it has opened it. */
export async function startPion(
  t: TestContext,
  role: 'server' | 'client',
  device: string,
  ...credentials: readonly string[]
): Promise<JsonPeer> {
  const peer = new JsonPeer(start(t, pionProgram, [role, device, ...credentials]));
  await peer.event('ready');
  return peer;
}
