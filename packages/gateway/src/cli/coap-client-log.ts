/**
 * Log lines in libcoap's form, on standard output, where coap-client has them.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import {
  codeText,
  contentFormatName,
  decodeMessage,
  decodeUint,
  isDecodeFault,
  isRequestCode,
  methodOf,
  OptionNumber,
} from 'coapsule/message';
import { printableUtf8 } from '../text/printable.ts';
import type { CoapClientRequest } from './coap-client-flags.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { optionName, optionText } from './message-text.ts';
import { hexText } from './option-values.ts';

/** libcoap's levels (`-v`): a line is printed when its level is not above it. */
const levels = { error: [3, 'ERR '], warning: [4, 'WARN'] } as const;
const infoLevel = 6;

/** Prints `Nov 21 07:56:48.061 ERR  text`. */
export function libcoapLog(
  environment: CommandEnvironment,
  logLevel: number,
): (level: keyof typeof levels, text: string) => void {
  return (level, text) => {
    const [number, name] = levels[level];
    if (number > logLevel) return;
    environment.stdout.write(`${timestamp(new Date(environment.wallTimeMs()))} ${name} ${text}\n`);
  };
}

/** With `-v 6` and more: prints `v:1 t:CON c:GET i:cad8 {01} [ Uri-Path:foo ]` for each message. */
export function messageLogger(
  environment: CommandEnvironment,
  request: CoapClientRequest,
): ((event: TraceEvent) => void) | undefined {
  if (request.logLevel < infoLevel) return undefined;
  return (event) => {
    if (event.kind !== 'message') return;
    const message = decodeMessage(event.bytes);
    if (isDecodeFault(message)) return;
    const code = isRequestCode(message.code)
      ? (methodOf(message.code) ?? codeText(message.code))
      : codeText(message.code);
    const options = Array.from(message.options.entries(), (option) => {
      const isFormat = option.number === OptionNumber.ContentFormat || option.number === OptionNumber.Accept;
      const format = isFormat ? contentFormatName(decodeUint(option.value) ?? -1) : undefined;
      return `${optionName(option.number)}:${format ?? optionText(option).replace(/^"(.*)"$/, '$1')}`;
    });
    const payload =
      message.payload.length === 0 || request.hidePayloadInLog ? '' : ` :: ${payloadText(message.payload)}`;
    const id = message.messageId.toString(16).padStart(4, '0');
    environment.stdout.write(
      `v:1 t:${message.type} c:${code} i:${id} {${hexText(message.token)}} [ ${options.join(', ')}${options.length > 0 ? ' ' : ''}]${payload}\n`,
    );
  };
}

function payloadText(payload: Uint8Array): string {
  const text = printableUtf8(payload, Number.POSITIVE_INFINITY);
  return text === undefined ? `binary data length ${payload.length}` : `'${text}'`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function timestamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${months[date.getMonth()]} ${two(date.getDate())} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
