/**
 * The streams of the Streams Standard, as Node has them.
 *
 * @module
 */

export { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web';
