/**
 * A client and a server that go on with a session, and send whatever messages they are told to.
 *
 * @module
 */

import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import type { RogueStep } from './dtls-rogue-peer.ts';
import { cookieOf, LonelyLayer, messagesOf, ScriptedClient, ScriptedServer } from './dtls-scripted-peer.ts';
import { befriend, getToKnow } from './dtls-scripted-resumption.ts';

const sessionId = new Uint8Array(32).fill(0x5e);

/** Sends a step with the best that can be made of it: right numbers, and Finished over what was really sent. */
function sendStep(
  peer: ScriptedClient | ScriptedServer,
  side: 'client' | 'server',
  layer: LonelyLayer,
  { content, epoch }: RogueStep,
  messageSeq: number,
): void {
  const give = (contentType: ContentType, bytes: Uint8Array): void => {
    layer.give(
      epoch > 0 ? peer.sealed(contentType, bytes, epoch, side) : peer.record(contentType, bytes, epoch),
    );
  };
  if (content === 'ChangeCipherSpec') {
    give(ContentType.ChangeCipherSpec, Uint8Array.of(1));
    return;
  }
  const message =
    content === 'Finished'
      ? peer.finished(side, messageSeq)
      : { type: HandshakeType[content], messageSeq, body: new Uint8Array(4) };
  peer.transcript.add(message);
  give(ContentType.Handshake, encodeMessageFragment(message, 0, message.body.length));
}

/** A client whose session the server layer remembers; flight 4 of the abbreviated handshake has come. */
export class ResumingClient {
  readonly layer: LonelyLayer = new LonelyLayer('server', { resumption: 'session-id' });
  readonly #client: ScriptedClient;
  #messageSeq = 2;

  constructor() {
    const known = getToKnow(this.layer, [{ type: 23, data: noBytes }]);
    this.layer.outputs.length = 0;
    const client = new ScriptedClient({ sessionId: known.sessionId, seed: 0x32 });
    const [request] = this.layer.give(client.messageRecord(client.hello(noBytes, 0)));
    const hello = client.hello(cookieOf(request), 1);
    client.transcript.add(hello);
    const flight4 = this.layer.give(client.messageRecord(hello));
    client.takeServerFlight(flight4);
    client.useMaster(known.master);
    client.transcript.add(client.finished('server', (messagesOf(flight4).at(-1)?.messageSeq ?? 0) + 1));
    this.#client = client;
  }

  send(step: RogueStep): void {
    sendStep(this.#client, 'client', this.layer, step, this.#messageSeq++);
    if (step.content === 'ChangeCipherSpec') this.#messageSeq--;
  }
}

/** A server whose session the client layer offers; it asks for no cookie. */
export class ResumingServer {
  readonly layer: LonelyLayer = new LonelyLayer('client', { resumption: 'session-id' });
  readonly #server: ScriptedServer;
  #messageSeq = 0;

  constructor() {
    const master = befriend(this.layer, sessionId).master as Uint8Array;
    const server = new ScriptedServer({ sessionId });
    this.layer.layer.connect(this.layer.peer, {}, this.layer.clock.now);
    server.takeHello(this.layer.drain());
    server.useMaster(master);
    this.#server = server;
  }

  send(step: RogueStep): void {
    if (step.content === 'ServerHello') {
      const hello = this.#server.serverHello(this.#messageSeq++);
      const bytes = encodeMessageFragment(hello, 0, hello.body.length);
      const { epoch } = step;
      this.layer.give(
        epoch > 0
          ? this.#server.sealed(ContentType.Handshake, bytes, epoch, 'server')
          : this.#server.record(ContentType.Handshake, bytes),
      );
      return;
    }
    sendStep(this.#server, 'server', this.layer, step, this.#messageSeq++);
    if (step.content === 'ChangeCipherSpec') this.#messageSeq--;
  }
}
