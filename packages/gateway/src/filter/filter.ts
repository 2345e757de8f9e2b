/**
 * A filter over messages, as a tree, and what a filter looks at of a message. Types only.
 *
 * The grammar (docs/tap.md explains it; ABNF of RFC 5234, letters in any case, blanks between any two tokens):
 *
 * ```
 * filter    = all *( ("or" / "||") all )
 * all       = one *( ["and" / "&&"] one )           ; what stands side by side must hold together
 * one       = ("not" / "!") one / "(" filter ")" / "any" / test
 * test      = field [ operator value ]
 * field     = "direction" / "protocol" / "type" / "code" / "path" / "query" / "peer" / "token" / "mid" /
 *             "payload" / "size" / "length" / "count" / "every" / "option" [ "." option-name ]
 * option-name = 1*( ALPHA / DIGIT / "-" )           ; "Uri-Path", or a number
 * operator  = "=" / "!=" / "~" / "!~" / "<" / "<=" / ">" / ">="
 * value     = word / quoted
 * word      = 1*( any character but blank, "(", ")", DQUOTE, "=", "!", "~", "<", ">", "&" and "|" )
 * quoted    = DQUOTE *( any character but DQUOTE and "\" / "\" any character ) DQUOTE
 * ```
 *
 * `=` compares text with `*` for any run of characters; `~` means "contains". There are no regular expressions: matching takes
 * time that grows with the product of the two lengths at most.
 *
 * @module
 */

import type { Code, MessageType, OptionReader } from 'coapsule/message';

/** Which way a message goes. */
export type Direction = 'to-server' | 'to-device';

/** What a filter looks at. What a message does not have is absent: no test of it holds then. */
export interface FilterSubject {
  readonly direction: Direction;
  /** `dtls`: a record that nobody could open; `other`: neither that nor CoAP. */
  readonly protocol: 'coap' | 'dtls' | 'other';
  /** Who the device is: `host:port`, IPv6 in brackets. */
  readonly peer: string;
  /** Absent over TCP, where there is none. */
  readonly type?: MessageType;
  readonly code?: Code;
  readonly messageId?: number;
  readonly token?: Uint8Array;
  /** Of the request, also of the one that a response answers; with the slash before it. */
  readonly path?: string;
  /** Alike; without the question mark. */
  readonly query?: string;
  readonly options?: OptionReader;
  readonly payload?: Uint8Array;
  /** Bytes of the whole message. */
  readonly length: number;
}

/** How two values are compared. */
export type Operator = '=' | '!=' | '~' | '!~' | '<' | '<=' | '>' | '>=';

/** Fields whose value is a text. */
export type TextField = 'path' | 'query' | 'peer' | 'payload';

/** Fields whose value is a number. */
export type NumberField = 'mid' | 'size' | 'length';

/** A filter that was parsed. */
export type Filter =
  | { readonly kind: 'any' }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | { readonly kind: 'direction'; readonly value: Direction; readonly negated: boolean }
  | { readonly kind: 'protocol'; readonly value: FilterSubject['protocol']; readonly negated: boolean }
  | { readonly kind: 'type'; readonly value: MessageType; readonly negated: boolean }
  /** From the first to the last code that is meant: one, or a class. */
  | { readonly kind: 'code'; readonly first: number; readonly last: number; readonly negated: boolean }
  | { readonly kind: 'token'; readonly value: Uint8Array; readonly negated: boolean }
  | { readonly kind: 'text'; readonly field: TextField; readonly operator: Operator; readonly value: string }
  | {
      readonly kind: 'number';
      readonly field: NumberField;
      readonly operator: Operator;
      readonly value: number;
    }
  /** Without a number: whether there are any options. Without an operator: whether it is there. */
  | {
      readonly kind: 'option';
      readonly number?: number;
      readonly operator?: Operator;
      readonly value?: string;
    }
  /** How many messages the rest of the filter has let through, this one among them. */
  | { readonly kind: 'count'; readonly operator: Operator; readonly value: number }
  /** Each one whose count is a multiple. */
  | { readonly kind: 'every'; readonly value: number };

/** Why a text is no filter. */
export interface FilterFault {
  readonly kind: 'fault';
  /** Characters before the place, from 0. */
  readonly offset: number;
  readonly reason: string;
}
