/**
 * The certificates of a gateway and a monitor of a hospital, with their keys, for handshakes in a page. They belong to nothing: whoever reads
 * this has the keys.
 *
 * P-256, from one authority, valid until 2126.
 *
 * @module
 */

import { fromHex } from '../parts/hex-text.ts';
import { type BrowserSigningKey, browserSigningKey } from './browser-crypto.ts';

/** A chain of one, and its key. */
export interface DemoCredential {
  readonly chain: readonly Uint8Array[];
  readonly key: BrowserSigningKey;
}

/** What the side has. */
export function demoCredential(side: 'client' | 'server'): DemoCredential {
  const { certificate, privateKey } = side === 'client' ? monitor : gateway;
  return {
    chain: [Uint8Array.from(atob(certificate), (letter) => letter.charCodeAt(0))],
    key: browserSigningKey(fromHex(privateKey)!),
  };
}

const gateway = {
  certificate:
    'MIIBsDCCAVagAwIBAgIUZSZKv4GZGrBv4ambVZH4V4viz84wCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQSG9zcGl0YWwgZGV2' +
    'aWNlczAgFw0yNjExMjgyMzMyNDVaGA8yMTI2MTEwNDIzMzI0NVowEjEQMA4GA1UEAwwHZ2F0ZXdheTBZMBMGByqGSM49AgEG' +
    'CCqGSM49AwEHA0IABJOJaR9Hs0WsuPj+EBukyqk/vSOnNWt8VS69pjTD/WnaEtOV3dShRBnHt5H+qbHd7TDKMn3jDyLr01R4' +
    'jziLn2ajfzB9MCMGA1UdEQQcMBqCGGdhdGV3YXkuaG9zcGl0YWwuZXhhbXBsZTALBgNVHQ8EBAMCB4AwCQYDVR0TBAIwADAd' +
    'BgNVHQ4EFgQUhjUSP5s+L8vCnPHwFhi7VtBWJ9kwHwYDVR0jBBgwFoAU7vdsMpfUsWpaZZgkluQ12zvZdFQwCgYIKoZIzj0E' +
    'AwIDSAAwRQIgFbhu413jHko8IraORpED50Dk2IYtmPQw4/Pyp6Fds+ECIQDV5NEg6Y5n+2WLE+L0NTh1uYZCU69sNHXjKgNW' +
    'PDJfvQ==',
  privateKey: 'b2b4e951b2e3a3211319bdbca1076716ecbcfb85a2fb8c1cb809512d4e749c63',
};

const monitor = {
  certificate:
    'MIIBsDCCAVagAwIBAgIUZSZKv4GZGrBv4ambVZH4V4viz88wCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQSG9zcGl0YWwgZGV2' +
    'aWNlczAgFw0yNjExMjgyMzMyNDVaGA8yMTI2MTEwNDIzMzI0NVowEjEQMA4GA1UEAwwHbW9uaXRvcjBZMBMGByqGSM49AgEG' +
    'CCqGSM49AwEHA0IABDl+Vd8FNZDHRTqQEXjjXg1CSR+ShgkHdnmRSxGOhVX+PYSa8OwkF27iZxwkq42WL5bZxgIQEthXqGGl' +
    'bhHAa5GjfzB9MCMGA1UdEQQcMBqCGG1vbml0b3IuaG9zcGl0YWwuZXhhbXBsZTALBgNVHQ8EBAMCB4AwCQYDVR0TBAIwADAd' +
    'BgNVHQ4EFgQU3q3MbK+d76a0ZJ2lePg3pNFdKAEwHwYDVR0jBBgwFoAU7vdsMpfUsWpaZZgkluQ12zvZdFQwCgYIKoZIzj0E' +
    'AwIDSAAwRQIgQ7zYIpLmhM5bxci4ABvWv2QF/g1dRr5MfvEqExJhsQgCIQDEN2PrWHoZNNubm+9UqFmyVMC0BfxCWKzP6lw5' +
    '1d3GzQ==',
  privateKey: '2bb00ef4456e72b909fb104d6fa1b1e2adbee2a15ce12154f91efb5eb0001617',
};
