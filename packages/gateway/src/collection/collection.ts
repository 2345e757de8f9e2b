/**
 * What a collection of requests says: requests one after the other, what is expected of their responses, and environments to
 * run them in.
 *
 * This is the file as it was read: texts may hold `${NAME}`, which stands for a variable. Nothing in this folder is of Node.
 *
 * @module
 */

import type { Method } from 'coapsule/message';

/** A whole file. */
export interface Collection {
  readonly $schema?: string | undefined;
  readonly name?: string | undefined;
  readonly variables?: Readonly<Record<string, VariableValue>> | undefined;
  readonly environments?: Readonly<Record<string, CollectionEnvironment>> | undefined;
  readonly defaults?: RequestSettings | undefined;
  /** Before the requests; when one fails they are not made. */
  readonly setup?: readonly CollectionRequest[] | undefined;
  readonly requests: readonly CollectionRequest[];
  /** After them, whatever came of them. */
  readonly teardown?: readonly CollectionRequest[] | undefined;
}

/** The parts of a file that hold requests, in the order in which they run. */
export const sections = ['setup', 'requests', 'teardown'] as const;

/** One of them. */
export type Section = (typeof sections)[number];

/** What a variable may be. */
export type VariableValue = string | number | boolean;

/** One of several surroundings, such as a lab and a site. */
export interface CollectionEnvironment {
  /** These go before those of the file. */
  readonly variables?: Readonly<Record<string, VariableValue>> | undefined;
  readonly secrets?: Readonly<Record<string, SecretReference>> | undefined;
  readonly credentials?: CollectionCredentials | undefined;
}

/** Where a secret is: it stands in no file that goes into Git. */
export interface SecretReference {
  /** Name of an environment variable. */
  readonly env?: string | undefined;
  /** Name of a file. */
  readonly file?: string | undefined;
}

/** What requests prove themselves with, and whom they trust; as the options of the client verbs. */
export interface CollectionCredentials {
  readonly identity?: string | undefined;
  readonly key?: string | undefined;
  readonly pskFile?: string | undefined;
  readonly cert?: string | undefined;
  readonly privateKey?: string | undefined;
  readonly ca?: string | undefined;
  readonly rpk?: string | undefined;
  readonly peerRpk?: string | undefined;
  readonly oscore?: string | undefined;
  readonly credentials?: string | undefined;
}

/** What all requests of a file can have in common. */
export interface RequestSettings {
  readonly accept?: number | string | undefined;
  readonly non?: boolean | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  readonly blockSize?: number | undefined;
  /** By name or number. */
  readonly options?: Readonly<Record<string, OptionValues>> | undefined;
}

/** One value of an option or several: text, `0x` and hexadecimal digits, or a number. */
export type OptionValues = string | number | readonly (string | number)[];

/** One request. */
export interface CollectionRequest extends RequestSettings {
  readonly name: string;
  readonly method?: Method | undefined;
  readonly uri: string;
  readonly contentFormat?: number | string | undefined;
  /** Text alone stands for `{ text }`. */
  readonly payload?: string | CollectionPayload | undefined;
  /** The resource is followed instead of read once. */
  readonly observe?: CollectionObserve | undefined;
  readonly expect?: Expectations | undefined;
  readonly capture?: Readonly<Record<string, Capture>> | undefined;
}

/** Exactly one of these. */
export interface CollectionPayload {
  readonly text?: string | undefined;
  readonly json?: unknown;
  /** The JSON is sent as CBOR. */
  readonly jsonAsCbor?: unknown;
  readonly hex?: string | undefined;
  readonly cborDiag?: string | undefined;
  /** From the folder of the collection. */
  readonly file?: string | undefined;
}

/** So many notifications within so many seconds, the first response among them. */
export interface CollectionObserve {
  readonly notifications: number;
  readonly within: number;
}

/** What must hold; without a code any 2.xx. */
export interface Expectations {
  /** `2.05`, `2.xx`, or several that are all right. */
  readonly code?: string | readonly string[] | undefined;
  readonly contentFormat?: number | string | undefined;
  readonly options?: Readonly<Record<string, OptionValues>> | undefined;
  readonly withoutOptions?: readonly string[] | undefined;
  /** Text alone stands for `{ equals }`. */
  readonly body?: string | BodyExpectations | undefined;
  /** Milliseconds; durations are told, and asked about nowhere but here. */
  readonly withinMs?: number | undefined;
}

/** All of them must hold. */
export interface BodyExpectations {
  readonly equals?: string | undefined;
  readonly contains?: string | readonly string[] | undefined;
  /** A regular expression of JavaScript. */
  readonly matches?: string | undefined;
  readonly hex?: string | undefined;
  /** Values by JSON pointer (RFC 6901), of JSON or CBOR. */
  readonly json?: Readonly<Record<string, unknown>> | undefined;
  /** Lowest and highest number by JSON pointer. */
  readonly between?: Readonly<Record<string, readonly [number, number]>> | undefined;
  /** JSON pointers to something. */
  readonly has?: readonly string[] | undefined;
}

/** What of a response becomes a variable of the requests behind it. */
export type Capture =
  | 'locationPath'
  | 'body'
  | { readonly json?: string | undefined; readonly option?: string | undefined };
