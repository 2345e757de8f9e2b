/**
 * The upload of a client's Exchange: when it begins, and what a response means for it.
 *
 * RFC 7959 §2.3, §2.9.3. The blocks themselves are in `block1-upload.ts`.
 *
 * @module
 */

import { blockSize, decodeBlock, maxSzx } from '../coap/block-option.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { Block1Upload, blockwiseHint, type UploadPosition, type UploadStep } from './block1-upload.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { Content } from './exchange.ts';
import { type BodySlice, OutgoingBody } from './outgoing-body.ts';
import { uploadFor } from './request-message.ts';

/** Begins the upload from its first block, if the body of the request needs one; changes `exchange`. */
export function beginUpload(exchange: ClientExchange, resume?: UploadPosition): void {
  const upload = uploadOf(exchange, resume);
  if (upload === undefined) {
    delete exchange.upload;
    return;
  }
  exchange.upload = upload;
  exchange.uploaded = true;
}

function uploadOf(exchange: ClientExchange, resume: UploadPosition | undefined): Block1Upload | undefined {
  const { body = OutgoingBody.whole(exchange.payload), options, blockBytes } = exchange;
  if (resume !== undefined && resume.nextByte > 0) {
    const size = resume.blockSize < largestPlainBlock ? Math.min(blockBytes, resume.blockSize) : blockBytes;
    return new Block1Upload(body, size, resume.nextByte);
  }
  // Of a body that is handed over it shows with its first bytes whether it needs more than one block.
  return exchange.body === undefined
    ? uploadFor(exchange, options, blockBytes)
    : new Block1Upload(body, blockBytes);
}

/** A body that is handed over and is all there with its first block: an ordinary request. Changes `exchange`. */
export function endUploadOfOneBlock(exchange: ClientExchange, { payload, more }: BodySlice): void {
  if (more || exchange.body === undefined || !exchange.upload?.first) return;
  exchange.payload = payload.slice();
  exchange.uploaded = false;
  delete exchange.upload;
}

/** How far the body of an Exchange has come, when it may go on later. */
export function uploadPosition({ upload, requestTag }: ClientExchange): UploadPosition | undefined {
  if (upload === undefined || requestTag === undefined) return undefined;
  return { requestTag, nextByte: upload.offset, blockSize: Math.min(upload.size, largestPlainBlock) };
}

/**
 * What a response means for the upload: the next block goes, or it failed, or the response answers the whole
 * request, and the upload is over. A 4.13 may begin an upload where there was none. Changes `exchange`.
 */
export function uploadStep(exchange: ClientExchange, response: Content): UploadStep {
  const value = response.options.first(OptionNumber.Block1);
  const block1 = value === undefined ? undefined : decodeBlock(value, exchange.bert);
  const size1 = response.options.uint(OptionNumber.Size1);
  if (exchange.upload !== undefined) {
    const step = exchange.upload.answered(response.code, block1, size1, exchange.repeatedForEcho);
    if (step.kind === 'answered') delete exchange.upload;
    return step;
  }
  if (exchange.options.has(OptionNumber.Block1)) return { kind: 'answered' };
  const size = blockwiseHint(exchange.payload.length, block1, size1);
  if (size === undefined) return { kind: 'answered' };
  exchange.upload = new Block1Upload(OutgoingBody.whole(exchange.payload), size);
  exchange.uploaded = true;
  return { kind: 'send' };
}

/** 1024 bytes: NUM counts the same in all blocks that are larger. */
const largestPlainBlock = blockSize(maxSzx);
