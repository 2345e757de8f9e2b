/**
 * A tap that runs: its relay by what the server speaks, and what it needs of sockets and secrets.
 *
 * @module
 */

import type { CapturedDatagram, PeerAddress } from 'coapsule';
import { monotonicClock } from 'coapsule/node';
import { DatagramDecoder } from '../decode/datagram-decoder.ts';
import type { OscoreMessages } from '../decode/oscore-messages.ts';
import type { KnownSecrets } from '../decode/secrets.ts';
import { openDatagramRelay } from './datagram-relay.ts';
import { openDtlsRelay, type TapSecurity } from './dtls-relay.ts';
import type { LiveDiagnosis } from './live-diagnosis.ts';
import type { Relay, RelayParts } from './relay.ts';
import { openStreamRelay } from './stream-relay.ts';
import { Tap, type TapEvent } from './tap.ts';

/** What a tap is made of. */
export interface TapOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly server: PeerAddress;
  readonly transport: 'udp' | 'tcp';
  /** With it the tap is an end of DTLS; without it datagrams go through as they are. */
  readonly security?: TapSecurity | undefined;
  /** What opens DTLS of which it is no end; and what is learned of the other. */
  readonly secrets: KnownSecrets;
  /** What opens OSCORE, to look inside. */
  readonly oscore?: OscoreMessages | undefined;
  /** Devices at a time. */
  readonly mostPeers: number;
  /** Messages that are held, delayed or to be replayed. */
  readonly mostWaiting: number;
  /** Messages that are kept for a look at them. */
  readonly mostKept: number;
  readonly onEvent: (event: TapEvent) => void;
  readonly diagnosis?: LiveDiagnosis | undefined;
  readonly keylog?: ((line: string) => void) | undefined;
  readonly capture?: ((datagram: CapturedDatagram) => void) | undefined;
  readonly wallTimeMs: () => number;
}

/** One that runs. */
export interface RunningTap {
  readonly tap: Tap;
  /** Where devices send to. */
  readonly local: Relay['local'];
  close(): Promise<void>;
}

/** How often the diagnosis is looked at. */
const lookMs = 1000;

/** Opens its sockets. Rejects with the system's error where that cannot be, and with that of the library for credentials. */
export async function startTap(options: TapOptions): Promise<RunningTap> {
  const { listen, server, transport, security, secrets, oscore, mostPeers, capture, wallTimeMs, diagnosis } =
    options;
  const tap = new Tap({
    ...options,
    server: server.key,
    now: () => monotonicClock.now(),
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs);
      return () => clearTimeout(timer);
    },
  });
  const parts: RelayParts = {
    ...{ listen, server, mostPeers },
    capture: (datagram) => capture?.({ wallTimeMs: wallTimeMs(), ...datagram }),
  };
  const keylog = (line: string): void => {
    secrets.addLine(line);
    options.keylog?.(line);
  };
  const ports = [listen.port, server.port];
  const relay =
    transport === 'tcp'
      ? await openStreamRelay(tap, parts)
      : security === undefined
        ? await openDatagramRelay(tap, parts, new DatagramDecoder(secrets, ports, oscore))
        : await openDtlsRelay(tap, { ...parts, security, secrets: { known: secrets, keylog, oscore } });
  const looks = diagnosis === undefined ? undefined : setInterval(() => diagnosis.look(), lookMs);
  return {
    tap,
    local: relay.local,
    async close() {
      clearInterval(looks);
      tap.close();
      await relay.close();
    },
  };
}
