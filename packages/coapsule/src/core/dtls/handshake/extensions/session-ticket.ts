/**
 * session_ticket (RFC 5077 §3.2): in a ClientHello the ticket itself, without a length of its own; empty where a
 * ticket is only asked for or promised.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** The extension of a ClientHello with this ticket, or, without one, of either Hello. */
export function sessionTicketExtension(ticket: Uint8Array = noBytes): Extension {
  return { type: ExtensionType.SessionTicket, data: ticket };
}

/** The ticket of a ClientHello, empty when it only asks for one; `undefined` without the extension. */
export function readSessionTicket(list: ExtensionList): Uint8Array | undefined {
  return extensionData(list, ExtensionType.SessionTicket);
}
