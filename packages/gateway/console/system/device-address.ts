/**
 * The address of a device's view, below that of all devices. Pure functions.
 *
 * @module
 */

/** An address that somebody has broken names nothing, and is told so like one of no device. */
export function deviceIdOf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a device; `new` is the wizard, so a device of that name has its letters written otherwise. */
export function deviceAddress(id: string): string {
  return `devices/${id === 'new' ? '%6eew' : encodeURIComponent(id)}`;
}
