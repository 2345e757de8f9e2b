"""Mbed TLS (python-mbedtls) as a DTLS 1.2 peer of tests.

mbedtls_peer.py server|client PORT [--psk IDENTITY:KEY] [--suites NAME,...]
    [--certificate FILE --key FILE [--rsa]] [--trust FILE] [--name NAME] [--send HEX]

Writes one JSON object per line: ready, connected, data, failed. A server answers a confirmable CoAP request with 2.05
and a text, and sends back anything else; it takes one client after the other. A client sends what --send holds once,
and ends with the answer.
"""
import argparse
import json
import socket

from mbedtls import pk, tls, x509
from mbedtls.exceptions import TLSError

TEXT = b"hello from mbedtls"
RETRY = (tls.WantReadError, tls.WantWriteError)


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def configuration(options):
    """The settings of both roles; certificates are validated whenever there is a trust anchor."""
    settings = {
        "lowest_supported_version": tls.DTLSVersion.DTLSv1_2,
        "highest_supported_version": tls.DTLSVersion.DTLSv1_2,
        "handshake_timeout_min": 1.0,
        "handshake_timeout_max": 8.0,
        "validate_certificates": options.trust is not None,
    }
    if options.suites:
        settings["ciphers"] = tuple(options.suites.split(","))
    if options.psk:
        identity, key = options.psk.split(":", 1)
        if options.role == "client":
            settings["pre_shared_key"] = (identity, key.encode())
        else:
            settings["pre_shared_key_store"] = {identity: key.encode()}
    if options.trust:
        settings["trust_store"] = tls.TrustStore((x509.CRT.from_file(options.trust),))
    if options.certificate:
        key_type = pk.RSA if options.rsa else pk.ECC
        chain = (x509.CRT.from_file(options.certificate), x509.CRT.from_file(options.trust))
        settings["certificate_chain"] = (chain, key_type.from_file(options.key))
    return tls.DTLSConfiguration(**settings)


def until_done(step):
    while True:
        try:
            return step()
        except RETRY:
            pass


def handshake(peer):
    while peer._handshake_state is not tls.HandshakeStep.HANDSHAKE_OVER:
        try:
            peer.do_handshake()
        except RETRY:
            pass


def tell_connected(peer):
    suite = peer.cipher()
    say("connected", suite=suite[0] if isinstance(suite, tuple) else suite, version=str(peer.negotiated_tls_version()))


def answer(request):
    """RFC 7252 section 3: a piggybacked 2.05 for a confirmable request, else the same bytes."""
    length = request[0] & 0x0F
    if request[0] & 0xF0 != 0x40 or len(request) < 4 + length or not 1 <= request[1] <= 7:
        return request
    return bytes((0x60 | length, 0x45)) + request[2 : 4 + length] + b"\xff" + TEXT


def tell_data(data):
    say("data", hex=data.hex(), text="".join(chr(b) if 32 <= b < 127 else "." for b in data))


def client(options):
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.connect(("127.0.0.1", options.port))
    peer = tls.ClientContext(configuration(options)).wrap_socket(plain, server_hostname=options.name)
    say("ready")
    handshake(peer)
    tell_connected(peer)
    if options.send:
        until_done(lambda: peer.send(bytes.fromhex(options.send)))
        tell_data(until_done(lambda: peer.recv(4096)))


def server(options):
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # accept() binds the port once more
    plain.bind(("127.0.0.1", options.port))
    listener = tls.ServerContext(configuration(options)).wrap_socket(plain)
    say("ready")
    while True:
        peer, address = listener.accept()
        peer.setcookieparam(address[0].encode())
        try:
            try:
                handshake(peer)
            except tls.HelloVerifyRequest:
                peer, address = peer.accept()
                peer.setcookieparam(address[0].encode())
                handshake(peer)
            tell_connected(peer)
            request = until_done(lambda: peer.recv(4096))
            tell_data(request)
            until_done(lambda: peer.send(answer(request)))
        except TLSError as error:
            say("failed", reason=str(error))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("server", "client"))
    parser.add_argument("port", type=int)
    for name in ("psk", "suites", "certificate", "key", "trust", "send"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--name", default="localhost")
    parser.add_argument("--rsa", action="store_true")
    options = parser.parse_args()
    try:
        (server if options.role == "server" else client)(options)
    except TLSError as error:
        say("failed", reason=str(error))
        raise SystemExit(1) from error


main()
