/**
 * Rules about OSCORE: the answers that say what is wrong with a request (RFC 8613 §8.2). They are not protected, so anybody sees them.
 *
 * @module
 */

import { Code, isRequestCode, OptionNumber } from 'coapsule/message';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexText } from '../text/hex.ts';
import type { Finding, FindingKind } from './finding.ts';
import { FoundFaults } from './found-faults.ts';
import type { Rule } from './rule.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

const kinds: readonly (readonly [code: number, text: RegExp, FindingKind])[] = [
  [Code.Unauthorized, /replay/i, 'oscore-replay'],
  [Code.Unauthorized, /security context/i, 'oscore-context-unknown'],
  [Code.BadRequest, /decryption/i, 'oscore-decryption-failed'],
];

/** Errors that answer requests with the OSCORE option. */
export class OscoreErrorRule implements Rule {
  readonly #requests: BoundedMap<string, SeenMessage>;
  readonly #found = new FoundFaults();

  constructor(most?: number) {
    this.#requests = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      const { code, options, token, payload } = seen.outer;
      if (isRequestCode(code)) {
        if (options.has(OptionNumber.Oscore))
          this.#requests.set(`${seen.conversation} ${hexText(token)}`, seen);
        continue;
      }
      if (code !== Code.Unauthorized && code !== Code.BadRequest) continue;
      const request = this.#requests.get(`${seen.conversation} ${hexText(token)}`);
      if (request === undefined || options.has(OptionNumber.Oscore)) continue;
      const text = new TextDecoder().decode(payload);
      for (const [of, pattern, kind] of kinds) {
        if (of !== code || !pattern.test(text)) continue;
        const answer = text.replaceAll(/[^ -~]/g, '?').slice(0, 80);
        const evidence = `frame ${request.frame} was answered "${answer}"`;
        this.#found.note(kind, request.where, [request.frame, seen.frame], evidence);
      }
    }
  }

  findings(): readonly Finding[] {
    return this.#found.findings();
  }
}
