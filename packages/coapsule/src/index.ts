/**
 * Secure CoAP for Node: client and server, plain and over DTLS 1.2.
 *
 * @module
 */

export type {
  AssociationStore,
  KeptAssociation,
  RememberedRequest,
  RequestToRemember,
  ResumableAssociation,
  SuspendedAssociation,
} from './api/association-store.ts';
export type { BodyInput, RandomAccessBody } from './api/body-input.ts';
export type { CertificateInfo, PublicKeyInfo } from './api/certificate-info.ts';
export { Client, type ClientObservation, type Pong } from './api/client.ts';
export type {
  CacheOptions,
  ClientOptions,
  ProxyOptions,
  PskCredential,
  PskRequest,
  RequestOptions,
} from './api/client-options.ts';
export { describeCertificates, describePublicKey } from './api/credential-input.ts';
export type {
  CertificateInput,
  CertificateOptions,
  CheckedPeer,
  ClientCertificateOptions,
  ClientCredentialOptions,
  ClientPublicKeys,
  DeniedCertificate,
  NamedCredentials,
  PeerDecision,
  PeerMatch,
  PeerPublicKeys,
  PrivateKeyInput,
  PublicKeyInput,
  RawPublicKeyOptions,
  ServerCredentialOptions,
  TrustAnchors,
  VerifyPeer,
} from './api/credential-options.ts';
export type { EndpointOptions, EndpointWarning } from './api/endpoint-options.ts';
export { CoapsuleError, type ErrorCode } from './api/errors.ts';
export type {
  ExportAssociationOptions,
  ImportAssociationOptions,
  KeepAssociation,
} from './api/kept-association.ts';
export {
  clientLayerSecurity,
  type LayerQuestion,
  type LayerSecurity,
  serverLayerSecurity,
} from './api/layer-security.ts';
export type {
  AssociationEvent,
  ListenOptions,
  PskAnswer,
  PskMatch,
  PskOptions,
} from './api/listen-options.ts';
export type { LocalObserver, LocalRequestOptions } from './api/local-request.ts';
export type { Middleware } from './api/middleware.ts';
export type { MulticastListenOptions, ResourceMulticast } from './api/multicast-options.ts';
export type { DiscoveredDevice, MulticastOptions } from './api/multicast-request.ts';
export { MulticastResponses } from './api/multicast-responses.ts';
export { Observation } from './api/observation.ts';
export type { ObserverLimits } from './api/observer-limits.ts';
export type { Listener } from './api/open-listener.ts';
export {
  OscoreContext,
  type OscoreContextOptions,
  OscoreContexts,
  type OscoreState,
  type OscoreStore,
} from './api/oscore-context.ts';
export type { PeerInfo, PeerProof, PeerSecurity, TlsSecurity } from './api/peer-info.ts';
export type { PeerPage, PeerPageOptions, PeerReport } from './api/peer-report.ts';
export { type CurrentState, expectPreconditions } from './api/precondition.ts';
export type { ProxyHandler } from './api/proxy-handler.ts';
export type { SendOptions, SendResult } from './api/purposeful-sending.ts';
export type { RenewedCredentials } from './api/renewable-security.ts';
export { Request, type ResourceObserver } from './api/request.ts';
export type { Handler, LinkAttributes, RequiredProtection, Resource } from './api/resource-tree.ts';
export { Response, StreamedResponse } from './api/response.ts';
export type { ReversedRequestOptions } from './api/reversed-requests.ts';
export type { SerialEvent, SerialLineStatus, SerialOptions } from './api/serial-options.ts';
export { Server, type ServerOptions } from './api/server.ts';
export type { ServerObserver } from './api/server-observer.ts';
export {
  type ContentOptions,
  changed,
  content,
  created,
  deleted,
  type FailureOptions,
  failure,
  type OptionInput,
  RequestFailure,
  type ServerResponse,
  valid,
} from './api/server-response.ts';
export { type HostOptions, VirtualHost } from './api/virtual-host.ts';
export {
  type PortWorker,
  portWorker,
  startWorkers,
  type Workers,
  type WorkersOptions,
} from './api/workers.ts';
export { Code, codeName, codeText, type Method } from './core/coap/code.ts';
export { contentFormatName, contentFormatOf } from './core/coap/content-format.ts';
export { encodeLinkFormat, type Link } from './core/coap/link-format.ts';
export type { LinkProfileName } from './core/coap/link-profile.ts';
export {
  chooseMessageType,
  type DeliveryPriority,
  type MessagePurpose,
  messagePurposes,
  type TypeAdvice,
  type TypeQuestion,
} from './core/coap/message-purpose.ts';
export { allCoapNodes, isMulticastAddress, type LeisureEstimate, leisureMs } from './core/coap/multicast.ts';
export { OptionNumber } from './core/coap/option-registry.ts';
export type { OptionEntry, OptionReader, OptionVisitor } from './core/coap/option-set.ts';
export {
  defaultTransmissionParameters,
  type TransmissionParameters,
} from './core/coap/transmission-parameters.ts';
export {
  type LanguageTaggedText,
  type ProblemDetails,
  problemDetailsFormat,
  type TextDirection,
} from './core/content/problem-details.ts';
export { type CipherSuiteName, cipherSuites } from './core/dtls/cipher-suites.ts';
export type { HandshakeFailure } from './core/dtls/dtls-layer.ts';
export {
  HandshakeTranscript,
  type TranscriptTotals,
  transcriptTotals,
} from './core/dtls/handshake/handshake-transcript.ts';
export type { TranscriptContent, TranscriptDatagram } from './core/dtls/handshake/transcript-datagram.ts';
export { recordOverhead } from './core/dtls/record-overhead.ts';
export { type Counts, type EndpointStatistics, statisticsSum } from './core/endpoint/endpoint-statistics.ts';
export type { TraceEvent } from './core/endpoint/trace-event.ts';
export { ApiMisuseError } from './core/foundation/errors.ts';
export { ipAddress, type PeerAddress } from './core/foundation/peer-address.ts';
export type { PeerTraffic } from './core/message-layer/message-layer.ts';
export type { UploadPosition } from './core/request-response/request-response-layer.ts';
export type { ResponseClass } from './core/request-response/response-suppression.ts';
export type { CapturedDatagram } from './node/driver.ts';
export type { GroupMembership } from './node/group-memberships.ts';
export type { NodeLink, NodeLinkEvents } from './node/node-port.ts';
export { OscoreFile, OscoreFileError, openOscoreFile } from './node/oscore-file.ts';
export { SerialFailure, type SerialFailureCause, serialDevices } from './node/serial-device.ts';
export type { SerialDeviceInfo } from './node/serial-device-list.ts';
export { AllowedAddresses } from './proxy/allowed-addresses.ts';
export { type ForwardProxyOptions, forwardProxy } from './proxy/forward-proxy.ts';
export type { ProxyAnswerSource, ProxySettings, ProxyTarget } from './proxy/proxy-options.ts';
export { type ReverseProxyOptions, reverseProxy } from './proxy/reverse-proxy.ts';
export type { TargetRule } from './proxy/target-rule.ts';
