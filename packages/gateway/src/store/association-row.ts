/** Associations as the store keeps them, and as a process that starts takes them over. Types only. */

/** An association as it is stored. */
export interface AssociationRow {
  /** The same in every process; deduplication records name it too. */
  readonly name: string;
  /** Which socket of the gateway it belongs to. */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  readonly identity: Uint8Array;
  /** How the peer proved itself: `psk`, `x509`, `raw-public-key` or `none`. */
  readonly authentication: string;
  /** DER of its certificate or public key. */
  readonly credential: Uint8Array | undefined;
  /** Stamp of the key it was made with. */
  readonly keyStamp: string;
  /** When its certificate, or one that vouches for it, does not hold any more. */
  readonly expiresAtMs: number | undefined;
  /** As the library encodes it. */
  readonly state: Uint8Array;
  /** First write sequence number that is not reserved. */
  readonly reserved: number;
  /** Right edge of the replay window; -1 when nothing was received. */
  readonly edge: number;
}

/** A stored association of which the caller may now write with `writeFrom` … `reserved - 1`. */
export interface ResumedRow extends AssociationRow {
  readonly writeFrom: number;
  /** Whether the last process ended cleanly: its window is the one in `state`. */
  readonly exact: boolean;
}
