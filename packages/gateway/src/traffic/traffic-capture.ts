/**
 * Traffic of a ring as a pcapng file that is downloaded, piece by piece.
 *
 * @module
 */

import { CapturedBlocks } from '../capture/captured-blocks.ts';
import { pcapngHeader, secretsBlock } from '../capture/pcapng.ts';
import type { TrafficItem } from './traffic-ring.ts';

/** Bytes of one piece, about. */
const pieceBytes = 64 * 1024;

/**
 * The answer of HTTP with the file.
 *
 * @param secrets Lines of a key log; they come first, since readers want them before what they open.
 * @param headers Besides those that say what it is.
 */
export function trafficDownload(
  items: readonly TrafficItem[],
  secrets: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Response {
  const pieces = trafficCapture(items, secrets);
  return new Response(
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const next = pieces.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
    }),
    {
      headers: {
        'content-type': 'application/x-pcapng',
        'content-disposition': 'attachment; filename="traffic.pcapng"',
        'cache-control': 'no-store',
        ...headers,
      },
    },
  );
}

/** The bytes of the file, one piece after the other, so that nobody waits for all of them. */
function* trafficCapture(
  items: readonly TrafficItem[],
  secrets: readonly string[],
): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  const blocks = new CapturedBlocks();
  let waiting: Uint8Array[] = [pcapngHeader()];
  if (secrets.length > 0) waiting.push(secretsBlock(`${secrets.join('\n')}\n`));
  let length = 0;
  for (const { captured } of items) {
    for (const block of blocks.of(captured)) {
      waiting.push(block);
      length += block.length;
    }
    if (length < pieceBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    length = 0;
  }
  if (waiting.length > 0) yield Buffer.concat(waiting);
}
