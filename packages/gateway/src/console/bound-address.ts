/**
 * Where an endpoint of the gateway listens, from its `host:port`.
 */

/** IPv6 addresses are in brackets. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
  /** All addresses of the machine: the host names none that somebody could go to. */
  readonly isEveryAddress: boolean;
}

/** @param address `host:port`. */
export function boundAddress(address: string): BoundAddress {
  const end = address.lastIndexOf(':');
  const host = address.slice(0, end);
  return {
    ...{ host, port: Number(address.slice(end + 1)) },
    isEveryAddress: host === '0.0.0.0' || host === '[::]',
  };
}
