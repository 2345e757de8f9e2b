/**
 * Rules about Confirmable and Non-confirmable: readings that need not be acknowledged, orders that must (RFC 7252 §4.2, §4.3).
 *
 * What a message is for its path tells, as far as a path can.
 *
 * @module
 */

import { Code, OptionNumber } from 'coapsule/message';
import { BoundedMap } from '../memory/bounded-map.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Rule } from './rule.ts';
import { SeenFrames } from './seen-frames.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

/** Readings in a row without a Non-confirmable one, before it is worth a word. */
const mostConfirmable = 20;

/** Larger ones are worth an acknowledgement. */
const smallReadingBytes = 64;

const reading =
  /(^|\/)(sensors?|temp(erature)?|humidity|pressure|moisture|telemetry|readings?|vitals|energy)(\/|$)/i;
const actuator =
  /(^|\/)(lock|door|light|lamp|valve|switch|relay|setpoint|actuators?|alarm|config|firmware|reboot)(\/|$)/i;

interface Readings {
  readonly frames: SeenFrames;
  readonly first: SeenMessage;
  readonly path: string;
  hasOther: boolean;
}

interface Commands {
  readonly where: string;
  readonly path: string;
  readonly frames: SeenFrames;
}

/** What writes where, and how. */
export class MessageTypeRule implements Rule {
  readonly #readings: BoundedMap<string, Readings>;
  readonly #commands: BoundedMap<string, Commands>;

  constructor(most?: number) {
    this.#readings = new BoundedMap(most);
    this.#commands = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      const { code, options, payload, type } = seen.message;
      if (code !== Code.Put && code !== Code.Post) continue;
      const path = `/${options.texts(OptionNumber.UriPath).join('/')}`;
      if (type === 'NON' && actuator.test(path)) {
        const { where } = seen;
        const found = this.#commands.ensure(`${where} ${path}`, () => ({
          ...{ where, path, frames: new SeenFrames() },
        }));
        found.frames.add(seen.frame);
        continue;
      }
      if (!reading.test(path) || actuator.test(path) || payload.length > smallReadingBytes) continue;
      const found = this.#readings.ensure(`${seen.conversation} ${seen.sender} ${path}`, () => ({
        ...{ frames: new SeenFrames(), first: seen, path, hasOther: false },
      }));
      if (type === 'CON') found.frames.add(seen.frame);
      else found.hasOther = true;
    }
  }

  findings(): readonly Finding[] {
    const readings = [...this.#readings.values()].filter(
      ({ frames, hasOther }) => frames.count >= mostConfirmable && !hasOther,
    );
    return [
      ...[...this.#commands.values()].map(({ where, path, frames: { first: frames, count } }) =>
        findingOf('non-confirmable-command', {
          ...{ where, frames, count },
          evidence: `${count} Non-confirmable messages to ${path}`,
        }),
      ),
      ...readings.map(({ first, path, frames: { first: frames, count } }) =>
        findingOf('confirmable-telemetry', {
          where: first.where,
          ...{ frames, count },
          evidence: `${count} Confirmable readings of at most ${smallReadingBytes} bytes to ${path}, none of them Non-confirmable`,
        }),
      ),
    ];
  }
}
