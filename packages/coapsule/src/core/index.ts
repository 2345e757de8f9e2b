/**
 * The protocol machines, for those who bring their own sockets and clocks.
 *
 * @module
 */

export { DtlsLayer } from './dtls/dtls-layer.ts';
export {
  Endpoint,
  type EndpointInput,
  type EndpointOptions,
  type OutgoingResponse,
} from './endpoint/endpoint.ts';
export type { EndpointConfig, EndpointConfigInput } from './endpoint/endpoint-config.ts';
export type {
  EndpointOutput,
  IncomingRequest,
  IncomingResponse,
  OutgoingRequest,
  RequestError,
  RequestId,
} from './endpoint/outputs.ts';
export type { Peer } from './endpoint/peer.ts';
export type { StreamConfigInput } from './endpoint/stream-config.ts';
export { StreamEndpoint, type StreamEndpointOptions } from './endpoint/stream-endpoint.ts';
export type { ConnectionId, StreamInput, StreamOutput, StreamPeer } from './endpoint/stream-outputs.ts';
export type { TraceEvent } from './endpoint/trace-event.ts';
export type { CryptoProvider } from './foundation/crypto-provider.ts';
export { after, earliest, elapsedMs, type Instant, instant } from './foundation/instant.ts';
export { ipAddress, type PeerAddress } from './foundation/peer-address.ts';
export type { ProtocolMachine } from './foundation/protocol-machine.ts';
export type { RandomSource } from './foundation/random-source.ts';
