/**
 * How a client comes to the serial line that a server listens on: a device can be open but once, so the one lends it to the
 * other.
 *
 * @module
 */

import type { EndpointCredentials } from '../core/dtls/credentials.ts';
import type { Driver, DriverOutput } from '../node/driver.ts';
import type { LineAddress, SerialLine } from './serial-line.ts';

/** What the client does with a line that it was lent. */
export interface BorrowedLine {
  /** Takes an output of the endpoint that is for the side that asks. */
  output(output: DriverOutput): void;
  /** The line is closed: what waits for an answer fails. */
  end(): Promise<void>;
}

/** A client that can be lent a line. */
export interface Borrower {
  /** What it proves itself with where it begins the handshake; undefined: it can only answer those of the peer. */
  readonly credentials: EndpointCredentials | undefined;
  /** @throws ApiMisuseError when the client has the line open itself. */
  borrow(
    address: LineAddress,
    listener: { readonly driver: Driver; readonly line: SerialLine; readonly prefix: string },
  ): BorrowedLine;
}

const borrowers = new WeakMap<object, Borrower>();

/** A client makes known how it takes a line. */
export function registerBorrower(client: object, borrower: Borrower): void {
  borrowers.set(client, borrower);
}

/** How a client takes a line; undefined for what is no client. */
export function borrowerOf(client: object): Borrower | undefined {
  return borrowers.get(client);
}

/** Whether an output is for the side that asks, for that which answers, or for both. */
export function outputSide(output: DriverOutput): 'client' | 'server' | 'both' {
  switch (output.kind) {
    case 'response':
    case 'response-body':
    case 'request-failed':
    case 'sent':
    case 'pong':
      return 'client';
    case 'psk-lookup':
    case 'verify-peer':
      return output.role;
    // The client has it as a failed request; the listener tells of all associations of its line.
    case 'handshake-failed':
      return output.role === 'client' ? 'both' : 'server';
    case 'connected':
    case 'closed':
      return 'both';
    default:
      return 'server';
  }
}
