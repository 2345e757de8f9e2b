/**
 * OSCORE (RFC 8613) without sockets and disks: contexts, and messages protected and verified; public subpath
 * `coapsule/oscore`.
 *
 * @module
 */

export { ClientRederivation } from './core/oscore/client-rederivation.ts';
export { type ContextProvider, ContextTable } from './core/oscore/context-lookup.ts';
export {
  type CoseAead,
  coseAead,
  defaultAead,
  type OscoreAead,
  type OscoreHkdf,
  oscoreAeads,
} from './core/oscore/cose-algorithms.ts';
export {
  type ContextParameters,
  type ContextSources,
  deriveSecurityContext,
} from './core/oscore/derive-context.ts';
export { type OptionClass, optionClass } from './core/oscore/option-classes.ts';
export {
  type OscoreCounters,
  OscoreLayer,
  type OscoreOutput,
  type PendingRequest,
  type ResponseOutcome,
} from './core/oscore/oscore-layer.ts';
export {
  type ObservableContext,
  type ObservedMessage,
  OscoreObserver,
} from './core/oscore/oscore-observer.ts';
export { decodeOscoreOption, encodeOscoreOption, type OscoreOption } from './core/oscore/oscore-option.ts';
export { type OscoreSending, oscoreOverhead } from './core/oscore/overhead.ts';
export {
  type ClientSecurity,
  type ClientVerdict,
  FixedContext,
  type RequestContext,
  type ServerSecurity,
  type ServerVerdict,
} from './core/oscore/peer-security.ts';
export type { OscoreContent } from './core/oscore/plaintext.ts';
export { type CannotProtect, type ProtectedRequest, protectRequest } from './core/oscore/protect-request.ts';
export { type ProtectedResponse, protectResponse } from './core/oscore/protect-response.ts';
export type { ClientBinding, ServerBinding } from './core/oscore/request-binding.ts';
export {
  type ContextKeeping,
  type ContextRecord,
  SecurityContext,
  unusedContext,
} from './core/oscore/security-context.ts';
export { type FixedParameters, ServerRederivation } from './core/oscore/server-rederivation.ts';
export {
  type RequestFault,
  type RequestHeader,
  type RequestVerdict,
  readRequestHeader,
  refusalResponse,
  verifyRequest,
} from './core/oscore/verify-request.ts';
export { type ResponseFault, type ResponseVerdict, verifyResponse } from './core/oscore/verify-response.ts';
export { dangerouslyWiresharkContext } from './core/oscore/wireshark-context.ts';
