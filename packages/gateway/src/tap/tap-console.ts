/**
 * The commands of a tap, line by line: from a person at a terminal, or from a script.
 *
 * @module
 */

import type { CoapScheme } from 'coapsule/message';
import { copyFormOf, copyForms } from '../copy-as/copy-as.ts';
import { type CredentialReference, seenRequest } from '../copy-as/seen-request.ts';
import type { FilterFault } from '../filter/filter.ts';
import { formatFilter } from '../filter/format-filter.ts';
import { matchesFilter } from '../filter/match-filter.ts';
import { parseFilter } from '../filter/parse-filter.ts';
import { printable } from '../text/printable.ts';
import { parseEdits } from './edit.ts';
import { messageLine, messageLines } from './message-line.ts';
import type { PassingMessage } from './passing-message.ts';
import { parseDuration, parseRule } from './rule.ts';
import type { Tap } from './tap.ts';

/** What can be typed. */
const consoleHelp: string = `\
pause [FILTER]             hold messages (those that match) until they are let go
resume [N]                 let message N go; or all, and hold no more
step                       let the oldest one go that is held
list [FILTER]              the messages that are held; with a filter, those of the newest that match
show N                     a message with its options and bytes
edit N payload=… code=…    change a message that is held
drop N                     drop a message that is held or delayed
replay N [after 5s]        send a message once more
copy N [as FORM]           a request as a command: ${Object.keys(copyForms).join(', ')}
rule add FILTER => ACTION  rule remove N, rules
quit                       end the tap`;

/** Lines of a list. */
const longestList = 100;

/** What it works with. */
export interface TapConsoleParts {
  readonly tap: Tap;
  /** For `copy`: where requests went. */
  readonly server: { readonly scheme: CoapScheme; readonly host: string; readonly port: number };
  readonly credentials: (message: PassingMessage) => CredentialReference | undefined;
  readonly write: (line: string) => void;
  readonly quit: () => void;
}

/** See the module comment. */
export class TapConsole {
  readonly #parts: TapConsoleParts;

  constructor(parts: TapConsoleParts) {
    this.#parts = parts;
  }

  /** One line, without its end. */
  line(text: string): void {
    const [, word = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(text) ?? [];
    const { write, tap } = this.#parts;
    switch (word.toLowerCase()) {
      case '':
      case '#':
        return;
      case 'pause':
        this.#pause(rest);
        return;
      case 'resume':
        this.#resume(rest);
        return;
      case 'step': {
        const message = tap.command((gate) => gate.step());
        if (message === undefined) write('no message is held');
        return;
      }
      case 'list':
        this.#list(rest);
        return;
      case 'show':
        this.#with(rest, (message) => {
          for (const line of messageLines(message)) write(line);
        });
        return;
      case 'edit':
        this.#edit(rest);
        return;
      case 'drop':
        this.#with(rest, ({ number }) => {
          if (!tap.command((gate) => gate.drop(number, 'hand')))
            write(`message ${number} is neither held nor delayed: it went on`);
        });
        return;
      case 'replay':
        this.#replay(rest);
        return;
      case 'copy':
        this.#copy(rest);
        return;
      case 'rule':
      case 'rules':
        this.#rule(rest);
        return;
      case 'help':
        write(consoleHelp);
        return;
      case 'quit':
      case 'exit':
        this.#parts.quit();
        return;
      default:
        write(`"${printable(word, 40)}" is no command; help lists them`);
    }
  }

  #pause(text: string): void {
    const filter = parseFilter(text);
    if (filter.kind === 'fault') {
      this.#fault(text, filter);
      return;
    }
    this.#parts.tap.command((gate) => gate.pause(filter));
    this.#parts.write(text === '' ? 'all messages are held' : `messages are held: ${formatFilter(filter)}`);
  }

  #resume(text: string): void {
    const { tap, write } = this.#parts;
    if (text !== '') {
      this.#with(text, ({ number }) => {
        if (tap.command((gate) => gate.resume(number)) === 0) write(`message ${number} is not held`);
      });
      return;
    }
    const count = tap.command((gate) => gate.resume());
    write(`${count} went on; nothing is held any more`);
  }

  #list(text: string): void {
    const { tap, write } = this.#parts;
    if (text === '') {
      const { held, scheduled } = tap.command((gate) => ({ held: gate.held, scheduled: gate.scheduled }));
      for (const message of held.slice(0, longestList)) write(messageLine(message));
      write(`${held.length} held, ${scheduled} wait for their time`);
      return;
    }
    const filter = parseFilter(text);
    if (filter.kind === 'fault') {
      this.#fault(text, filter);
      return;
    }
    const found = tap.history.all().filter(({ subject }) => matchesFilter(filter, subject));
    for (const message of found.slice(-longestList)) write(messageLine(message));
    write(`${found.length} of the newest match`);
  }

  #edit(text: string): void {
    const { tap, write } = this.#parts;
    const [, digits = '', edits = ''] = /^(\d+)\s*(.*)$/s.exec(text) ?? [];
    const parsed = parseEdits(edits);
    if ('kind' in parsed) {
      this.#fault(edits, parsed);
      return;
    }
    const edited = tap.command((gate) => gate.edit(Number(digits), parsed));
    if (typeof edited === 'string') {
      write(printable(edited, 500));
      return;
    }
    tap.history.add(edited);
    write(messageLine(edited));
  }

  #replay(text: string): void {
    const { tap, write } = this.#parts;
    const [, digits = '', duration] = /^(\d+)(?:\s+after\s+(\S+))?$/i.exec(text) ?? [];
    const delayMs = duration === undefined ? 0 : parseDuration(duration);
    if (digits === '' || delayMs === undefined) {
      write('such as replay 3, or replay 3 after 5s');
      return;
    }
    this.#with(digits, (message) => {
      if (!tap.command((gate, now) => gate.replay(message, delayMs, now)))
        write('too many messages wait already');
    });
  }

  #copy(text: string): void {
    const { server, credentials, write } = this.#parts;
    const [, digits = '', word] = /^(\d+)(?:\s+(?:as\s+)?(\S+))?$/i.exec(text) ?? [];
    const form = copyFormOf(word ?? 'coapsule');
    if (digits === '' || form === undefined) {
      write(`such as copy 3 as coap-client; forms are ${Object.keys(copyForms).join(', ')}`);
      return;
    }
    this.#with(digits, (passing) => {
      const { message, subject, answers } = passing;
      const type = subject.type;
      const request =
        message === undefined
          ? 'it is no message that could be read'
          : seenRequest(
              {
                ...{
                  code: message.code,
                  token: message.token,
                  options: message.options,
                  payload: message.payload,
                },
                ...(type !== undefined && { type }),
              },
              server,
              credentials(passing),
            );
      if (typeof request === 'string') {
        const asked = answers === undefined ? '' : `: it answers ${answers}`;
        return write(`${digits} cannot be copied, ${printable(request, 500)}${asked}`);
      }
      const copied = copyForms[form](request);
      write(copied.text);
      for (const note of copied.notes) write(`# ${printable(note, 500)}`);
    });
  }

  #rule(text: string): void {
    const { tap, write } = this.#parts;
    const [, removed] = /^(?:remove|delete)\s+(\d+)$/i.exec(text) ?? [];
    if (removed !== undefined) {
      const isGone = tap.command((gate) => gate.removeRule(Number(removed)));
      write(isGone ? `rule ${removed} is removed` : `there is no rule ${removed}`);
      return;
    }
    if (text === '' || text === 'list') {
      const rules = tap.command((gate) => gate.rules);
      for (const { id, rule, count } of rules)
        write(`rule ${id}, ${count} times: ${printable(rule.text, 500)}`);
      if (rules.length === 0) write('there are no rules');
      return;
    }
    const written = text.replace(/^add\s+/i, '');
    const rule = parseRule(written);
    if ('kind' in rule) {
      this.#fault(written, rule);
      return;
    }
    write(`rule ${tap.command((gate) => gate.addRule(rule))} is added`);
  }

  #with(text: string, use: (message: PassingMessage) => void): void {
    const number = /^\d+$/.test(text) ? Number(text) : undefined;
    if (number === undefined) {
      this.#parts.write('give the number of a message');
      return;
    }
    const message = this.#parts.tap.history.get(number);
    if (message !== undefined) {
      use(message);
      return;
    }
    this.#parts.write(`there is no message ${number}, or it is forgotten: --history N keeps more`);
  }

  #fault(text: string, fault: FilterFault): void {
    this.#parts.write(faultText(text, fault));
  }
}

/** Why a text is no filter, rule or edit, and where. */
export function faultText(text: string, { offset, reason }: FilterFault): string {
  const near = text.slice(offset, offset + 20);
  const place = near === '' ? 'at its end' : `at character ${offset + 1}, "${near}"`;
  return printable(`${place}: ${reason}`, 500);
}
