/**
 * Server, flight 3: whether the ClientHello names a session that can go on (RFC 5246 §7.4.1.2, RFC 5077 §3.4).
 *
 * @module
 */

import { AlertDescription } from '../../alert.ts';
import type { RecalledSession } from '../../session/server-sessions.ts';
import { readExtendedMasterSecret } from '../extensions/extended-master-secret.ts';
import { readServerName } from '../extensions/server-name.ts';
import { readSessionTicket } from '../extensions/session-ticket.ts';
import type { FailureOfState, HandshakeContext } from '../handshake-context.ts';
import type { ClientHello } from '../messages/client-hello.ts';

/** The session; `undefined` for a full handshake; or why there can be neither. */
export function recallSession(
  { sessionId, cipherSuites, extensions }: ClientHello,
  context: HandshakeContext,
): RecalledSession | FailureOfState | undefined {
  const recalled = context.sessionsAsServer.recall({ sessionId, ticket: readSessionTicket(extensions) });
  if (recalled === undefined) return undefined;
  const { suite, serverName } = recalled.session;
  // RFC 7627 §5.3: every session that is remembered here has one, so a hello without it is no honest one.
  if (readExtendedMasterSecret(extensions) === false) {
    return {
      cause: 'no-extended-master-secret',
      detail: 'the client wants a session to go on without the extended_master_secret it has (RFC 7627 §5.3)',
      alert: AlertDescription.HandshakeFailure,
    };
  }
  const isPossible =
    cipherSuites.includes(suite.id) &&
    context.config.suites.includes(suite) &&
    // RFC 6066 §3: never for another name.
    readServerName(extensions) === serverName;
  return isPossible ? recalled : undefined;
}
