/**
 * Virtual time, a simulated network and a pair of endpoints on it, for tests that repeat exactly; and a relay that puts
 * the same network between programs with sockets.
 *
 * @module
 */

export { type LinkProfileName, linkProfileNames } from '../core/coap/link-profile.ts';
export { FramedLine, type FramedLineOptions } from './framed-line.ts';
export { linkProfiles } from './link-profiles.ts';
export { LinkRelay, type LinkRelayOptions } from './link-relay.ts';
export {
  type Neighbour,
  Neighbourhood,
  type NeighbourhoodOptions,
  type NeighbourhoodRequest,
  type NeighbourOptions,
} from './neighbourhood.ts';
export {
  type BurstLoss,
  datagramLossRate,
  framesOf,
  type NetworkConditions,
  perfectConditions,
} from './network-conditions.ts';
export {
  clientAddress,
  Pair,
  type PairAnswer,
  type PairHandler,
  type PairOptions,
  type PairRequest,
  pairPsk,
  serverAddress,
} from './pair.ts';
export { SeededRandom } from './seeded-random.ts';
export { type LineConditions, type LineEnd, SimulatedLine, wireTimeMs } from './simulated-line.ts';
export {
  type DatagramAction,
  type DatagramHook,
  type SentDatagram,
  SimulatedNetwork,
} from './simulated-network.ts';
export { VirtualClock } from './virtual-clock.ts';
