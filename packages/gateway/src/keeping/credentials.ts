/**
 * What keeps devices with their credentials, as the gateway relies on it. Types only.
 *
 * Two sides: who shakes hands or reviews associations asks by name or fingerprint (`Credentials`); who brings devices of several
 * gateways together keeps them with their home (`DeviceKeeping`). What a credential is made of is no matter of either: a device goes
 * in and comes out whole. The guarantees are held by test/keeping/device-keeping.ts, for every engine the same.
 */
import type { Device, HomedDevice, KeyVersion } from '../store/device-table.ts';

/** Asked at each handshake, and when associations are compared with the keys that count. */
export interface Credentials {
  /** A device with its credential, as it counts now. */
  device(id: string): Promise<Device | undefined>;
  /** The device with a raw public key or certificate of this fingerprint; no two have the same. */
  deviceByFingerprint(fingerprint: string): Promise<Device | undefined>;
  /**
   * Which keys devices have now, in the order of `ids`; undefined for who is none. Another credential has another version, also when
   * it is the same again later.
   */
  keyVersions(ids: readonly string[]): Promise<readonly (KeyVersion | undefined)[]>;
}

/** Devices of several gateways. Each has one home: who comes second with an id, or a fingerprint, is refused. */
export interface DeviceKeeping {
  /**
   * Keeps devices, or what has become of them, by home. Fulfils when it is as durable as the engine keeps anything.
   *
   * @returns the ids of those that were refused, since another home has that id or fingerprint; all others are kept.
   */
  putDevices(devices: readonly HomedDevice[]): Promise<readonly string[]>;
  /** Forgets those of this home; those of other homes, and those that are not there, stay as they are. */
  removeDevices(home: string, ids: readonly string[]): Promise<void>;
  homedDevice(id: string): Promise<HomedDevice | undefined>;
  /** All, some at a time, each once; what changes meanwhile may be among them or not. */
  homedDevices(): AsyncIterable<readonly HomedDevice[]>;
}
