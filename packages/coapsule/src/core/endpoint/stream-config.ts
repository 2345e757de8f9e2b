/**
 * The configuration of an endpoint on reliable transports: what each layer takes, put together, checked once and frozen.
 *
 * | name | unit | default | RFC |
 * |---|---|---|---|
 * | framing | `tcp` or `websocket` | tcp | 8323 §3.2, §4.2 |
 * | secure | boolean: the transport is TLS | false | 8323 §9 |
 * | role | `client`, `server`, `both` | both | 8323 §3.3 |
 * | connection | table in `connection/connection-config.ts` | its defaults | 8323 §5 |
 * | maxConnections | connections that others opened | 10,000 | – |
 * | totalPendingBytes | bytes of messages that are not complete, of all connections | 64 MiB | – |
 * | trace | boolean | false | – |
 *
 * @module
 */

import type { StreamFraming } from '../coap/stream-codec.ts';
import { type ConnectionConfig, connectionConfig } from '../connection/connection-config.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { RequestResponseConfig } from '../request-response/request-response-config.ts';

/** See the table in the module comment. */
export interface StreamConfig {
  readonly framing: StreamFraming;
  readonly secure: boolean;
  readonly role: 'client' | 'server' | 'both';
  readonly connection: ConnectionConfig;
  readonly requestResponse: Partial<RequestResponseConfig>;
  readonly maxConnections: number;
  readonly totalPendingBytes: number;
  readonly trace: boolean;
}

/** What a caller may give. */
export type StreamConfigInput = Partial<Omit<StreamConfig, 'connection'>> & {
  readonly connection?: Partial<ConnectionConfig>;
};

/** Fills in defaults and refuses values that cannot work. */
export function streamConfig(input: StreamConfigInput): StreamConfig {
  const { maxConnections = 10_000, totalPendingBytes = 64 * 1024 * 1024 } = input;
  if (!Number.isInteger(maxConnections) || maxConnections < 1) {
    throw new ApiMisuseError(`maxConnections is ${maxConnections}; expected 1 or more`);
  }
  const connection = connectionConfig(input.connection);
  if (!(totalPendingBytes >= connection.maxMessageSize)) {
    throw new ApiMisuseError(
      `totalPendingBytes is ${totalPendingBytes}; expected maxMessageSize (${connection.maxMessageSize}) or more`,
    );
  }
  return Object.freeze({
    framing: input.framing ?? 'tcp',
    secure: input.secure ?? false,
    role: input.role ?? 'both',
    connection,
    requestResponse: {
      ...input.requestResponse,
      reliableTransport: true,
      // What a peer takes is in its CSM.
      maxTokenLength: connection.maxTokenLength,
      // A notification counts as acknowledged when the transport has taken it: that paces them, and the latest state wins.
      notificationType: 'CON',
    } as const,
    maxConnections,
    totalPendingBytes,
    trace: input.trace ?? false,
  });
}
