/**
 * What silence means: how far the handshake came, and whether it looks like datagrams that are too large for the path.
 *
 * A handshake that is given up has been sent again and again by then (RFC 6347 §4.2.4), so what never came although
 * other parts did is hardly lost by chance. It is still a conclusion and no proof: the detail says what was seen.
 *
 * @module
 */

import { type HandshakeFacts, shownCredential } from './handshake-facts.ts';
import type { HandshakeFailure } from './handshake-failure.ts';

/** So often the same parts must have come without the others; and so often we must have sent without effect. */
const enoughTransmissions = 3;

/** No path refuses datagrams of this size. */
const smallDatagram = 256;

/** The failure of a handshake whose time is up. */
export function failureBySilence(facts: HandshakeFacts): HandshakeFailure {
  if (facts.waitsForApplication) {
    return { cause: 'no-decision', detail: 'the key or the verdict on the peer did not come in time' };
  }
  return facts.role === 'client' ? clientFailure(facts) : serverFailure(facts);
}

function clientFailure(facts: HandshakeFacts): HandshakeFailure {
  const { seen, config, flight, transmissions, isFinishedSent } = facts;
  if (isFinishedSent) {
    // Its flight 4 comes again: it is there, and waits for ours.
    return seen.repeatedAnswers >= enoughTransmissions && isLarge(facts)
      ? ours(facts, `the server repeats its own flight, so it lacks ours, which has ${sizeText(facts)}`)
      : silent('the server says nothing new after our Finished');
  }
  if (!seen.isEmpty) return partial(facts, 'server');
  if (seen.cookieRequests === 0) {
    return silent(`no answer at all to ${transmissions} ClientHello(s)`);
  }
  const text = 'the server asked for a cookie (HelloVerifyRequest), and said nothing after it came back';
  const wantsCertificate = config.credentials.peerTypes.length > 0;
  // A server that lives and has got its cookie answers; a flight with a certificate is its first large one.
  if (flight?.number === 3 && wantsCertificate && transmissions > enoughTransmissions) {
    return {
      cause: 'mtu-too-large',
      detail: `${text}: most likely its next datagrams, with a certificate, are too large for the path`,
    };
  }
  return silent(text);
}

function serverFailure(facts: HandshakeFacts): HandshakeFailure {
  const { seen, flight } = facts;
  if (flight === undefined) {
    return silent(
      seen.isEmpty ? 'the rest of a fragmented ClientHello never came' : `only a part came: ${seen.text}`,
    );
  }
  if (!seen.isEmpty) return partial(facts, 'client');
  if (seen.repeatedHellos >= enoughTransmissions && isLarge(facts)) {
    return ours(
      facts,
      `the client got the small HelloVerifyRequest, and asks again and again for flight ${flight.number}, which has ${sizeText(facts)}`,
    );
  }
  const what = shownCredential(facts) === undefined ? 'ServerHello' : 'ServerHello and Certificate';
  return silent(
    seen.repeatedHellos > 0
      ? `the client repeats its ClientHello: what is sent to it (${what}) gets lost`
      : `the client says nothing after flight ${flight.number} (${what})`,
  );
}

/** Some messages of the peer's flight came, or parts of them. */
function partial({ seen, nextMessageSeq }: HandshakeFacts, peer: 'client' | 'server'): HandshakeFailure {
  const { text, transmissions } = seen;
  if (transmissions >= enoughTransmissions && seen.hasGapAt(nextMessageSeq)) {
    return {
      cause: 'mtu-too-large',
      detail: `of the ${peer}'s flight came ${text}, ${transmissions} times, and the rest never: most likely its larger datagrams do not get through`,
    };
  }
  return silent(`of the ${peer}'s flight came only ${text}`);
}

function ours({ reducedTo }: HandshakeFacts, text: string): HandshakeFailure {
  const tried = reducedTo === undefined ? '' : `; pieces of ${reducedTo} bytes did not help`;
  return { cause: 'mtu-too-large', detail: `${text}${tried}` };
}

function silent(detail: string): HandshakeFailure {
  return { cause: 'peer-silent', detail };
}

function isLarge({ largestDatagram }: HandshakeFacts): boolean {
  return largestDatagram > smallDatagram;
}

function sizeText({ largestDatagram }: HandshakeFacts): string {
  return `datagrams of up to ${largestDatagram} bytes`;
}
