/**
 * Why the gateway cannot start: the cause with its value, and the next step.
 *
 * Faults of the data folder are StoreFault (store/store-fault.ts); this adds those of the endpoints and files.
 */
import { type EndpointScheme, endpointNames } from './serve-options.ts';

/** Those that speak CoAP, and those that speak HTTP. */
export type SocketKind = EndpointScheme | 'http' | 'metrics';

/** What an endpoint is called on the command line. */
export function endpointOption(kind: SocketKind): string {
  return kind === 'http' || kind === 'metrics' ? kind : endpointNames[kind];
}

/** What its port is one of. */
export function socketTransport(kind: SocketKind): 'UDP' | 'TCP' {
  return kind === 'coap' || kind === 'coaps' ? 'UDP' : 'TCP';
}

/** A gateway that cannot start; nothing was changed. */
export class StartUpFault extends Error {
  override readonly name = 'StartUpFault';
  readonly nextStep: string;

  constructor(message: string, nextStep: string) {
    super(message);
    this.nextStep = nextStep;
  }
}

/**
 * The fault for an endpoint whose socket cannot be opened.
 *
 * @param scheme which endpoint.
 */
export function endpointFault(scheme: SocketKind, host: string, port: number, error: unknown): StartUpFault {
  const { code, message } = error as { code?: string; message?: string };
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const option = endpointOption(scheme);
  const transport = socketTransport(scheme);
  switch (code) {
    case 'EADDRINUSE':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: ${transport} port ${port} is in use`,
        `stop the program that uses it, or choose another port: --${option} PORT (0 picks a free one)`,
      );
    case 'EACCES':
    case 'EPERM':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: no permission for ${transport} port ${port}`,
        `choose a port from 1024 up with --${option} PORT, or give the process the right to bind low ports`,
      );
    case 'EADDRNOTAVAIL':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: this machine does not have the address ${host}`,
        `use one of its own addresses, or [::] for all: --${option} '[::]:${port}'`,
      );
    case 'EAFNOSUPPORT':
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: this machine has no IPv${host.includes(':') ? 6 : 4}`,
        `use an address of the other kind, such as --${option} 0.0.0.0:${port}`,
      );
    default:
      return new StartUpFault(
        `the ${scheme} endpoint cannot open ${where}: ${message ?? String(error)}`,
        `try another address or port with --${option} [HOST:]PORT`,
      );
  }
}
