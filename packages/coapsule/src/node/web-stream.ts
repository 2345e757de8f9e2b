/**
 * The types of the streams of the Streams Standard, as Node has them. Their classes are globals, which load what they need when
 * they are first used.
 *
 * @module
 */

export type { ReadableStream, ReadableStreamDefaultController } from 'node:stream/web';
