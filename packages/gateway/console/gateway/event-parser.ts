/**
 * Server-Sent Events out of text (HTML, section 9.2.6). No browser is needed for it.
 *
 * @module
 */

/** The text of an event stream, as it comes in pieces. Comments and ids are passed over. */
export class EventParser {
  readonly #onEvent: (name: string, data: string) => void;
  #rest = '';
  #name = 'message';
  #data: string[] = [];

  constructor(onEvent: (name: string, data: string) => void) {
    this.#onEvent = onEvent;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split(/\r?\n/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') {
      if (this.#data.length > 0) this.#onEvent(this.#name, this.#data.join('\n'));
      this.#name = 'message';
      this.#data = [];
      return;
    }
    const at = line.indexOf(':');
    const [field, value] = at === -1 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')];
    if (field === 'event') this.#name = value;
    if (field === 'data') this.#data.push(value);
  }
}
