/**
 * Every flag of libcoap's coap-client, up to 4.3.5 and what was added since: its value, what it means, and why it is refused where it is.
 *
 * Read by the parser, the usage, the manual page and the completions.
 *
 * @module
 */

/** One flag. */
export interface CoapClientFlag {
  readonly letter: string;
  /** What its value is called; a flag without one has none. */
  readonly value?: string;
  readonly meaning: string;
  /** Why it is refused: the sentence that is printed behind `-X: `. */
  readonly refused?: string;
}

/** In the order of coap-client's own usage. */
export const coapClientFlags: readonly CoapClientFlag[] = [
  { letter: 'a', value: 'addr', meaning: 'local address to send from' },
  {
    letter: 'b',
    value: '[num,]size',
    meaning: 'block size, 16 to 1024; with a number, that block alone is asked for',
  },
  {
    letter: 'd',
    value: 'count',
    meaning: 'Connection ID; 0 is taken (they are on anyway), another port every few packets is not there',
  },
  { letter: 'e', value: 'text', meaning: 'payload, percent-encoded' },
  { letter: 'f', value: 'file', meaning: 'payload from a file, - for standard input' },
  { letter: 'g', value: 'file', meaning: 'the same as -f' },
  {
    letter: 'l',
    value: 'loss%',
    meaning: 'lose that share of datagrams (test aid); a list of them is not there',
  },
  { letter: 'm', value: 'method', meaning: 'get, put, post, delete, fetch, patch or ipatch; get by default' },
  { letter: 'o', value: 'file', meaning: 'write payloads there, - for standard output' },
  { letter: 'p', value: 'port', meaning: 'local port to send from' },
  { letter: 'r', meaning: 'over TCP, or TLS for coaps' },
  { letter: 's', value: 'seconds', meaning: 'observe for so long' },
  {
    letter: 't',
    value: 'type',
    meaning: 'content format of the payload: a number, or a name as libcoap abbreviates it',
  },
  { letter: 'v', value: 'num', meaning: "libcoap's log level, 0 to 9; 4 by default" },
  { letter: 'w', meaning: 'a line feed behind each payload' },
  { letter: 'x', meaning: 'leave payloads out of the log' },
  { letter: 'A', value: 'type', meaning: 'content format that is wanted, as for -t' },
  { letter: 'B', value: 'seconds', meaning: 'give up after so long; 90 by default' },
  {
    letter: 'E',
    value: 'file[,seq_file]',
    meaning: 'OSCORE Security Context (coap-oscore-conf), and the file of its sequence number',
  },
  { letter: 'G', value: 'count', meaning: 'repeat the request, a second apart; 1 to 255' },
  { letter: 'H', value: 'limit', meaning: 'Hop-Limit for proxies, 1 to 255' },
  { letter: 'K', value: 'seconds', meaning: 'ping after so long without a message; 0 for never' },
  {
    letter: 'L',
    value: 'value',
    meaning:
      "sum of libcoap's COAP_BLOCK flags, 1 among them; 4 tries Q-Block, the others change nothing here",
  },
  { letter: 'N', meaning: 'Non-confirmable' },
  { letter: 'O', value: 'num,text', meaning: 'one more option, text or 0x and hex; repeatable' },
  { letter: 'P', value: 'scheme://addr[:port]', meaning: 'through the forward-proxy there' },
  { letter: 'S', meaning: 'with -P: name the target by Proxy-Scheme and Uri options, not by Proxy-Uri' },
  {
    letter: 'T',
    value: 'token',
    meaning: 'first token, as text of up to 24 bytes; more than 8 are RFC 8974',
  },
  { letter: 'U', meaning: 'taken; Uri-Port is never sent, Uri-Host only where the URI has a name' },
  { letter: 'V', value: 'num', meaning: 'taken; there is no TLS library whose log level it could be' },
  { letter: 'X', value: 'size', meaning: 'largest message that is taken over TCP, TLS and WebSocket' },
  {
    letter: 'h',
    value: 'file',
    meaning: 'lines hint,user,key: by the hint of the server, instead of -u and -k',
  },
  { letter: 'k', value: 'key', meaning: 'pre-shared key: text, or 0x and hex' },
  { letter: 'u', value: 'user', meaning: 'its identity' },
  { letter: 'c', value: 'file', meaning: 'certificate, with those that certify it, and perhaps its key' },
  { letter: 'j', value: 'file', meaning: 'private key of the certificate' },
  { letter: 'n', meaning: 'do NOT verify the server; warns' },
  { letter: 'C', value: 'file', meaning: 'authority to trust; without -C and -R those of the system' },
  { letter: 'R', value: 'file', meaning: 'further authorities to trust; also a folder of them' },
  { letter: 'M', value: 'file', meaning: 'raw public key: the own key pair (RFC 7250)' },
  { letter: 'y', meaning: 'taken; no session outlives the command' },
  { letter: '3', meaning: 'taken; a test aid of libcoap' },
  {
    letter: 'J',
    value: 'pin',
    meaning: 'taken; there is no PKCS #11 here, and pkcs11: in the place of a file is refused',
  },
  {
    letter: 'q',
    value: 'file',
    meaning: 'configuration of a TLS engine',
    refused: 'engines belong to OpenSSL, and DTLS is spoken without it here',
  },
  {
    letter: '2',
    meaning: 'EC-JPAKE',
    refused: 'EC-JPAKE is a draft of Thread that no RFC has: use a pre-shared key (-k)',
  },
  {
    letter: 'z',
    meaning: 'call home',
    refused: 'call home is not there: the server has to be one that can be asked',
  },
  {
    letter: 'Y',
    meaning: 'whether the TLS library can do certain things',
    refused: 'it asks the TLS library, and there is none here',
  },
];

/** What is to be known beside the flags. */
export const coapClientNotes: string = `Flags of libcoap's coap-client(5), with the same output and exit codes: 0 once a request was sent, whatever the
answer; 1 when none could be.
Differences: the server's certificate is verified, by the usual authorities without -C or -R; -n does not.
-E without seq_file keeps the sequence number in FILE.sequence, so that none is used twice.

Examples:
  coapsule client -m get coap://[::1]/.well-known/core
  coapsule client -m get coaps://localhost/temperature -k "MySecret16ByteK!" -u sensor-042
  echo -n 1000 | coapsule client -m put -T cafe coap://[::1]/time -f -`;
