/**
 * The message formats of CoAP without any endpoint: messages, options, URIs, links.
 *
 * @module
 */

export type { BlockOption } from './core/coap/block-option.ts';
export {
  bertSzx,
  blockSize,
  decodeBlock,
  encodeBlock,
  maxBlockNumber,
  maxSzx,
  szxOf,
} from './core/coap/block-option.ts';
export type { Method } from './core/coap/code.ts';
export {
  Code,
  codeClass,
  codeName,
  codeOfMethod,
  codeText,
  isRequestCode,
  isReservedCode,
  isResponseCode,
  isSuccessCode,
  methodOf,
} from './core/coap/code.ts';
export {
  type ContentFormatDefinition,
  contentFormatDefinition,
  contentFormatMediaType,
  contentFormatName,
  contentFormatOf,
} from './core/coap/content-format.ts';
export type { Link, LinkAttribute } from './core/coap/link-format.ts';
export { decodeLinkFormat, encodeLinkFormat, filterLinks, linkAttribute } from './core/coap/link-format.ts';
export {
  blockSizeForLink,
  type LinkProfile,
  type LinkProfileName,
  linkProfileNames,
  linkProfiles,
} from './core/coap/link-profile.ts';
export type { MessageDecodeFault } from './core/coap/message-codec.ts';
export { decodeMessage, encodeMessage } from './core/coap/message-codec.ts';
export {
  chooseMessageType,
  type DeliveryPriority,
  type MessagePurpose,
  messagePurposes,
  type TypeAdvice,
  type TypeQuestion,
} from './core/coap/message-purpose.ts';
export type { Message, MessageContent, MessageType } from './core/coap/message-view.ts';
export { MessageView } from './core/coap/message-view.ts';
export type { OptionDefinition, OptionFormat } from './core/coap/option-registry.ts';
export {
  isCritical,
  isLegalOptionLength,
  isLegalOptionValue,
  isNoCacheKey,
  isUnsafe,
  maxOptionLength,
  maxOptionNumber,
  OptionNumber,
  optionDefinition,
} from './core/coap/option-registry.ts';
export type { OptionEntry, OptionReader, OptionVisitor } from './core/coap/option-set.ts';
export { OptionSet } from './core/coap/option-set.ts';
export type { OptionValue } from './core/coap/option-value.ts';
export { decodeUint, encodeUint } from './core/coap/option-value.ts';
export {
  formatSerialUri,
  hasSerialScheme,
  parseSerialUri,
  type SerialScheme,
  type SerialUri,
  serialLineUri,
} from './core/coap/serial-uri.ts';
export {
  baseCapabilities,
  type Capabilities,
  isSignalingCode,
  SignalingCode,
  SignalingOption,
} from './core/coap/signaling.ts';
export {
  decodeStreamMessage,
  encodeStreamMessage,
  StreamDecoder,
  type StreamFraming,
  type StreamLimits,
  StreamMessage,
} from './core/coap/stream-codec.ts';
export type { TransmissionParameters } from './core/coap/transmission-parameters.ts';
export {
  defaultTransmissionParameters,
  exchangeLifetimeMs,
  maxRttMs,
  maxTransmitSpanMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  transmissionParameters,
} from './core/coap/transmission-parameters.ts';
export type { CoapScheme, CoapUri, UriDestination } from './core/coap/uri.ts';
export { composeUri, defaultPort, parseCoapUri, uriOptions } from './core/coap/uri.ts';
export type { DecodeFault } from './core/foundation/errors.ts';
export { ApiMisuseError, isDecodeFault } from './core/foundation/errors.ts';
