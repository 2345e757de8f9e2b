/*
 * What `npm run bench` compares with: libcoap's server with its smallest handlers, on 127.0.0.1.
 *
 *   libcoap-server PORT [KEY | CERTIFICATE PRIVATE-KEY AUTHORITY]
 */
#include <arpa/inet.h>
#include <coap3/coap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t large[8192];

static void hello(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response) {
  (void)resource, (void)session, (void)request, (void)query;
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
  coap_add_data(response, 13, (const uint8_t *)"Hello, world!");
}

static void body(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response) {
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
  coap_add_data_large_response(resource, session, request, response, query, COAP_MEDIATYPE_TEXT_PLAIN, -1, 0, sizeof large, large, NULL, NULL);
}

static void serve(coap_context_t *context, const char *name, coap_method_handler_t handler) {
  coap_resource_t *resource = coap_resource_init(coap_make_str_const(name), 0);
  coap_register_handler(resource, COAP_REQUEST_GET, handler);
  coap_add_resource(context, resource);
}

int main(int count, char **arguments) {
  if (count < 2) return 64;
  for (size_t index = 0; index < sizeof large; index++) large[index] = 'A' + index % 26;
  coap_startup();
  coap_set_log_level(LOG_EMERG);
  coap_dtls_set_log_level(LOG_EMERG);
  coap_context_t *context = coap_new_context(NULL);
  coap_context_set_max_idle_sessions(context, 200000);
  coap_context_set_block_mode(context, COAP_BLOCK_USE_LIBCOAP);
  if (count == 3 && !coap_context_set_psk(context, "hint", (const uint8_t *)arguments[2], strlen(arguments[2]))) return 1;
  if (count == 5) {
    coap_dtls_pki_t pki = {.version = COAP_DTLS_PKI_SETUP_VERSION, .verify_peer_cert = 1, .check_common_ca = 1, .cert_chain_validation = 1,
                           .cert_chain_verify_depth = 2};
    pki.pki_key.key_type = COAP_PKI_KEY_PEM;
    pki.pki_key.key.pem.public_cert = arguments[2];
    pki.pki_key.key.pem.private_key = arguments[3];
    pki.pki_key.key.pem.ca_file = arguments[4];
    if (!coap_context_set_pki(context, &pki)) return 1;
  }
  coap_address_t address;
  coap_address_init(&address);
  address.size = sizeof address.addr.sin;
  address.addr.sin.sin_family = AF_INET;
  address.addr.sin.sin_port = htons(atoi(arguments[1]));
  address.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (coap_new_endpoint(context, &address, count > 2 ? COAP_PROTO_DTLS : COAP_PROTO_UDP) == NULL) return 1;
  serve(context, "hello", hello);
  serve(context, "large", body);
  puts("ready");
  fflush(stdout);
  for (;;) coap_io_process(context, COAP_IO_WAIT);
}
