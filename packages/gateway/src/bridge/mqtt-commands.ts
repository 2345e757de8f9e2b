/**
 * Commands from the message broker: each asks a resource of the gateway, and its answer goes where the requester wants it.
 *
 * With MQTT 5 that is its response topic, with its correlation data (MQTT 5.0 §4.10); without one `BASE/response/METHOD/PATH`.
 * A retained message is no command: it would come again with every connection, and switch the light off that somebody has
 * switched on since.
 */
import { Code, codeText, type Method, type PeerInfo, type Response } from 'coapsule';
import type { Log } from '../server/log.ts';
import { RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { printable } from '../text/printable.ts';
import {
  answerPayload,
  answerProperties,
  type CommandAnswer,
  commandFormat,
  type MessageProperties,
} from './mqtt-message.ts';
import { commandOf, isAnswerTopic, responseTopic } from './mqtt-topics.ts';

/** A message on a command topic. */
export interface CommandMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly contentType?: string | undefined;
  readonly responseTopic?: string | undefined;
  readonly correlationData?: Uint8Array | undefined;
  /** `query`: queries of the request, such as `a=1&b`. */
  readonly query?: string | undefined;
}

/** An answer to be published. */
export interface AnswerMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly properties: MessageProperties & { readonly correlationData?: Uint8Array };
}

/** What commands work with. */
export interface CommandParts {
  readonly base: string;
  /** `Server.request`. */
  readonly request: (
    method: Method,
    path: string,
    options: { readonly payload?: Uint8Array; readonly contentFormat?: number; readonly peer: PeerInfo },
  ) => Promise<Response>;
  readonly peer: PeerInfo;
  readonly answer: (message: AnswerMessage) => void;
  readonly log: Log;
  readonly clock: WallClock;
}

/** Commands at work at a time; more are answered 5.03. */
const mostAtWork = 256;

const noAnswer = { contentFormat: undefined, locationPath: undefined } as const;

/** See the module comment. */
export class MqttCommands {
  readonly #parts: CommandParts;
  readonly #faults = new RateLimit(10, 10_000);
  #atWork = 0;

  constructor(parts: CommandParts) {
    this.#parts = parts;
  }

  /** Carries out a command and answers. Never throws or rejects. */
  async handle(message: CommandMessage): Promise<void> {
    const { base, log, clock } = this.#parts;
    if (message.retain) return;
    const command = commandOf(base, message.topic);
    if (typeof command === 'string') {
      if (this.#faults.pass(clock()) !== undefined)
        log.warning(`mqtt: no command at ${printable(message.topic)}: ${command}`);
      return;
    }
    const answer = await this.#carriedOut(command.method, command.path, message);
    log.detail(1, `mqtt: ${command.method} ${printable(command.path)} ${answer.code}`);
    this.#answer(message, answer);
  }

  async #carriedOut(method: Method, path: string, message: CommandMessage): Promise<CommandAnswer> {
    if (this.#atWork >= mostAtWork) return textAnswer(Code.ServiceUnavailable, 'too many commands at a time');
    const { request, peer, log } = this.#parts;
    const { payload, query, contentType } = message;
    const contentFormat = commandFormat(contentType);
    this.#atWork++;
    try {
      const uri = query === undefined ? path : `${path}?${query.split('&').map(encodeQuery).join('&')}`;
      const hasPayload = payload.length > 0 && method !== 'GET' && method !== 'DELETE';
      const response = await request(method, uri, {
        ...(hasPayload ? { payload } : {}),
        ...(contentFormat === undefined ? {} : { contentFormat }),
        peer,
      });
      const { codeText: code, locationPath } = response;
      return { code, contentFormat: response.contentFormat, payload: response.payload, locationPath };
    } catch (error) {
      log.error(
        `mqtt: ${method} ${printable(path)}: ${error instanceof Error ? error.message : String(error)}`,
      );
      return textAnswer(Code.BadRequest, 'the request cannot be made');
    } finally {
      this.#atWork--;
    }
  }

  #answer({ topic, responseTopic: wanted, correlationData }: CommandMessage, answer: CommandAnswer): void {
    const { base } = this.#parts;
    const usual = responseTopic(base, topic);
    const isWanted = wanted !== undefined && isAnswerTopic(base, wanted);
    if (!isWanted && !isAnswerTopic(base, usual)) return;
    this.#parts.answer({
      topic: isWanted ? wanted : usual,
      payload: isWanted ? answer.payload : answerPayload(answer),
      properties: {
        ...(isWanted ? answerProperties(answer) : { contentType: 'application/json' }),
        ...(correlationData === undefined ? {} : { correlationData }),
      },
    });
  }
}

/** Queries as they stand in a URI: what has no place there is percent-encoded. */
function encodeQuery(query: string): string {
  return encodeURIComponent(query).replaceAll('%3D', '=');
}

function textAnswer(code: Code, text: string): CommandAnswer {
  return { ...noAnswer, code: codeText(code), contentFormat: 0, payload: new TextEncoder().encode(text) };
}
