/**
 * What the help of commands that ask a server says of exit codes.
 *
 * @module
 */

/** A paragraph of its own. */
export const exitCodesHelp: string = `
Exit codes: 0 for 2.xx; 4 for 4.xx; 5 for 5.xx; 6 no answer in time; 7 security (handshake, credentials, replay);
64 wrong usage; 1 anything else.`;
