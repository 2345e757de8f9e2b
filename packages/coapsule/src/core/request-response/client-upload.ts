/**
 * The upload of a client's Exchange: when it begins, and what a response means for it.
 *
 * RFC 7959 §2.3, §2.9.3. The blocks themselves are in `block1-upload.ts`.
 *
 * @module
 */

import { decodeBlock } from '../coap/block-option.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { Block1Upload, blockwiseHint, type UploadStep } from './block1-upload.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { Content } from './exchange.ts';
import { uploadFor } from './request-message.ts';

/** Begins the upload from its first block, if the body of the request needs one; changes `exchange`. */
export function beginUpload(exchange: ClientExchange): void {
  const upload = uploadFor(exchange, exchange.options, exchange.szx);
  if (upload === undefined) {
    delete exchange.upload;
    return;
  }
  exchange.upload = upload;
  exchange.uploaded = true;
}

/**
 * What a response means for the upload: the next block goes, or it failed, or the response answers the whole
 * request, and the upload is over. A 4.13 may begin an upload where there was none. Changes `exchange`.
 */
export function uploadStep(exchange: ClientExchange, response: Content): UploadStep {
  const value = response.options.first(OptionNumber.Block1);
  const block1 = value === undefined ? undefined : decodeBlock(value);
  const size1 = response.options.uint(OptionNumber.Size1);
  if (exchange.upload !== undefined) {
    const step = exchange.upload.answered(response.code, block1, size1);
    if (step.kind === 'answered') delete exchange.upload;
    return step;
  }
  if (exchange.options.has(OptionNumber.Block1)) return { kind: 'answered' };
  const szx = blockwiseHint(exchange.payload.length, block1, size1);
  if (szx === undefined) return { kind: 'answered' };
  exchange.upload = new Block1Upload(exchange.payload, szx);
  exchange.uploaded = true;
  return { kind: 'send' };
}
