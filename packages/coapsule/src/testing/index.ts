/**
 * Virtual time, a simulated network and a pair of endpoints on it, for tests that repeat exactly.
 *
 * @module
 */

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
export {
  type DatagramAction,
  type DatagramHook,
  type NetworkConditions,
  perfectConditions,
  type SentDatagram,
  SimulatedNetwork,
} from './simulated-network.ts';
export { VirtualClock } from './virtual-clock.ts';
