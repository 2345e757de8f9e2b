/**
 * What a simulated device is given: time, a server, credentials, where it is counted, and who is told of it. Types, and the
 * sending of a message, which is the same for all devices.
 *
 * @module
 */

import type { Client, ClientOptions, RequestOptions } from 'coapsule';
import type { LinkRelay } from 'coapsule/testing';
import type { FleetClock } from './fleet-clock.ts';
import type { DevicePlan, SendEvent } from './fleet-plan.ts';
import { count, type FleetTally, type GroupTally, type MessageOutcome } from './fleet-tally.ts';
import type { SettingsBoard } from './settings-board.ts';
import type { Protection } from './traffic-count.ts';

/** What a device proves itself with. */
export type FleetCredential =
  | { readonly kind: 'none' }
  | { readonly kind: 'psk'; readonly identity: string | Uint8Array; readonly key: Uint8Array }
  | {
      readonly kind: 'oscore';
      readonly masterSecret: Uint8Array;
      readonly masterSalt: Uint8Array;
      readonly senderId: Uint8Array;
      readonly recipientId: Uint8Array;
    };

/** A message that was acknowledged with 2.xx. */
export interface AcknowledgedMessage {
  readonly device: string;
  readonly path: string;
  readonly payload: string;
  readonly purpose: SendEvent['purpose'];
}

/** See the module comment. */
export interface DeviceSurroundings {
  readonly plan: DevicePlan;
  readonly clock: FleetClock;
  /** Scheme and authority of what it talks to: the server, or the link that leads there. */
  readonly server: string;
  readonly credential: FleetCredential;
  readonly protection: Protection;
  /** For each client that it makes. */
  readonly clientOptions: ClientOptions;
  /** Makes a client; asked each time it wakes up. */
  readonly openClient: (options: ClientOptions) => Client;
  readonly link: LinkRelay | undefined;
  readonly tally: FleetTally;
  readonly group: GroupTally;
  readonly settings: SettingsBoard;
  readonly confirmEvery: number;
  /** After the plan is over, what is under way may take so long. */
  readonly drainMs: number;
  readonly onAcknowledged: ((message: AcknowledgedMessage) => void) | undefined;
}

/** Sends a message by a client and counts what became of it; never rejects. */
export async function sendCounted(
  { plan, server, tally, group, protection, confirmEvery, onAcknowledged }: DeviceSurroundings,
  client: Client,
  { purpose, path, payload, contentFormat, at }: SendEvent,
  options: Pick<RequestOptions, 'signal' | 'confirmable' | 'timeoutMs'> = {},
): Promise<MessageOutcome> {
  count(group.purposes, purpose);
  tally.at(at, 'sent');
  if (protection === 'oscore') group.traffic.payload(payload.length);
  const uri = `${server}${path}`;
  const began = performance.now();
  let outcome: MessageOutcome;
  try {
    const { response, ...sent } =
      purpose === 'upload'
        ? {
            response: await client.put(uri, { payload, contentFormat, resumable: 3, ...options }),
            outcome: 'answered' as const,
          }
        : await client.send(purpose, uri, {
            ...{ payload, contentFormat, ...options },
            ...(purpose === 'telemetry' && confirmEvery > 0 && { confirmEvery }),
          });
    if (sent.outcome !== 'answered' || response === undefined) {
      outcome = sent.outcome === 'superseded' ? 'superseded' : 'unconfirmed';
    } else if (response.ok) {
      outcome = 'acknowledged';
      group.latencies.record(performance.now() - began - (response.handshakeMs ?? 0));
      tally.at(at, 'acknowledged');
      onAcknowledged?.({ device: plan.id, path, payload, purpose });
    } else {
      outcome = 'refused';
      count(group.codes, response.codeText);
    }
  } catch (error) {
    const code = String((error as { code?: unknown }).code ?? (error as Error).message);
    // Closed under it when the run was over.
    outcome = code === 'ERR_CLOSED' || code === 'ERR_ABORTED' ? 'unfinished' : 'lost';
    if (outcome === 'lost') {
      count(group.failures, code);
      tally.at(at, 'lost');
    }
  }
  group.outcomes[outcome]++;
  return outcome;
}
