/*
 * A load of many CoAP clients on one server: the generator of `npm run bench`.
 *
 * In C, since a generator on Node costs as much as the server that is measured, or more: against a server in C it would
 * measure itself (docs/performance.md). One thread, epoll. Handshakes are OpenSSL's (DTLS 1.2 with AES_128_CCM_8); after
 * them a client is two keys and a sequence number, so that 10,000 live ones fit into the caches about as well as 64 do.
 * OSCORE (RFC 8613) has AES-CCM-16-64-128 and one context for each client: the Sender ID is its number in two bytes.
 *
 * Writes JSON lines: `connected` when all clients are there, `begin` after warming up, `end` with what was measured.
 *
 *   load PORT [-n clients] [-t seconds] [-w warm-up seconds] [-u path] [-r requests a second]
 *        [-i identity -k key | -c certificate -y key -a authority] [-x handshakes at once] [-H] [-A n] [-B] [-O secret] [-p payload]
 *   -H  handshakes alone, after which a client vanishes; -A n from addresses and ports that n clients before did not have; -B reads a body block by block; -O OSCORE with this Master Secret; -p PUT of
 *  this text in the place of GET, without OSCORE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TAG = 8, HEADER = 13, EXPLICIT = 8, MAX = 2048 };

struct client {
  int fd;
  SSL *ssl; /* until the handshake is over */
  int isUp, isBusy, isReady;
  uint16_t messageId;
  uint32_t token;
  double since, sentAt, handshakeAt;
  uint64_t sequence; /* of records, or Partial IVs */
  uint8_t writeKey[16], readKey[16], writeIv[13], readIv[13];
  uint32_t block;
};

static struct client *clients;
static int count = 64, atOnce = 16, port, isSecured, isOscore, isBlockwise, isForgetful, firstNumber = -1, epoll;
static double seconds = 5, warmUp = 1, rate;
static const char *path = "hello", *identity, *key, *certificate, *privateKey, *authority, *secret, *payload;
static SSL_CTX *context;
static EVP_CIPHER_CTX *sealing, *opening;
static long answered, failed, repeated, established, refused;
static uint64_t bodyBytes;
static int isMeasuring;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

/* Latencies in buckets: 64 for each power of two of microseconds. */
static long buckets[64 * 32];
static long latencies;
static double longest;

static void record(double latency) {
  uint64_t microseconds = latency * 1e6;
  int bucket = microseconds;
  if (microseconds >= 64) {
    int octave = 63 - __builtin_clzll(microseconds) - 6;
    bucket = 64 * (octave + 1) + (int)(microseconds >> octave) - 64;
  }
  if (bucket < 64 * 32) buckets[bucket]++;
  latencies++;
  if (latency > longest) longest = latency;
}

static double quantile(double share) {
  long seen = 0;
  for (int bucket = 0; bucket < 64 * 32; bucket++) {
    seen += buckets[bucket];
    if (seen > 0 && seen >= share * latencies) {
      int octave = bucket / 64 - 1;
      return octave < 0 ? (bucket + 1) / 1e3 : (bucket % 64 + 65) * (double)(1ull << octave) / 1e3;
    }
  }
  return 0;
}

/* AEAD: AES-128-CCM with a tag of 8 bytes. Contexts are keyed anew for each message, as there are many keys. */

static void seal(const uint8_t *withKey, const uint8_t *nonce, int nonceLength, const uint8_t *aad, int aadLength, uint8_t *text, int length) {
  int ignored;
  EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_SET_IVLEN, nonceLength, NULL);
  EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_SET_TAG, TAG, NULL);
  if (EVP_EncryptInit_ex(sealing, NULL, NULL, withKey, nonce) != 1 || EVP_EncryptUpdate(sealing, NULL, &ignored, NULL, length) != 1 ||
      EVP_EncryptUpdate(sealing, NULL, &ignored, aad, aadLength) != 1 || EVP_EncryptUpdate(sealing, text, &ignored, text, length) != 1 ||
      EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, TAG, text + length) != 1)
    fail("sealing");
}

/* The length of the text, or -1. */
static int openText(const uint8_t *withKey, const uint8_t *nonce, int nonceLength, const uint8_t *aad, int aadLength, uint8_t *text, int length) {
  int ignored;
  if (length < TAG) return -1;
  length -= TAG;
  EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_IVLEN, nonceLength, NULL);
  EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, TAG, text + length);
  if (EVP_DecryptInit_ex(opening, NULL, NULL, withKey, nonce) != 1 || EVP_DecryptUpdate(opening, NULL, &ignored, NULL, length) != 1 ||
      EVP_DecryptUpdate(opening, NULL, &ignored, aad, aadLength) != 1 || EVP_DecryptUpdate(opening, text, &ignored, text, length) != 1)
    return -1;
  return length;
}

/* DTLS 1.2 records (RFC 6347 §4.1, RFC 6655 §3). */

static void additionalData(uint8_t *aad, const uint8_t *header, int length) {
  memcpy(aad, header + 3, 8);
  memcpy(aad + 8, header, 3);
  aad[11] = length >> 8;
  aad[12] = length;
}

static void transmit(struct client *client, const uint8_t *message, int length) {
  uint8_t record[MAX], nonce[12], aad[13];
  if (!isSecured) {
    if (send(client->fd, message, length, 0) < 0) failed++;
    return;
  }
  int body = EXPLICIT + length + TAG;
  uint64_t sequence = client->sequence++;
  record[0] = 23, record[1] = 254, record[2] = 253, record[3] = 0, record[4] = 1;
  for (int index = 0; index < 6; index++) record[5 + index] = sequence >> (40 - 8 * index);
  record[11] = body >> 8, record[12] = body;
  memcpy(record + HEADER, record + 3, EXPLICIT);
  memcpy(record + HEADER + EXPLICIT, message, length);
  memcpy(nonce, client->writeIv, 4);
  memcpy(nonce + 4, record + 3, 8);
  additionalData(aad, record, length);
  seal(client->writeKey, nonce, 12, aad, 13, record + HEADER + EXPLICIT, length);
  if (send(client->fd, record, HEADER + body, 0) < 0) failed++;
}

/* The length of the message at `*message`, or -1 for what is none. */
static int receive(struct client *client, uint8_t *datagram, int length, uint8_t **message) {
  uint8_t nonce[12], aad[13];
  *message = datagram;
  if (!isSecured) return length;
  if (length < HEADER + EXPLICIT + TAG || datagram[0] != 23) return -1;
  memcpy(nonce, client->readIv, 4);
  memcpy(nonce + 4, datagram + HEADER, 8);
  additionalData(aad, datagram, length - HEADER - EXPLICIT - TAG);
  *message = datagram + HEADER + EXPLICIT;
  return openText(client->readKey, nonce, 12, aad, 13, *message, length - HEADER - EXPLICIT);
}

/* The keys of an association, from the master secret (RFC 5246 §6.3). */
static void takeKeys(struct client *client) {
  uint8_t master[48], random[64], block[40];
  SSL_SESSION_get_master_key(SSL_get_session(client->ssl), master, sizeof master);
  SSL_get_server_random(client->ssl, random, 32);
  SSL_get_client_random(client->ssl, random + 32, 32);
  static EVP_KDF *function;
  if (function == NULL) function = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
  EVP_KDF_CTX *derivation = EVP_KDF_CTX_new(function);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, "key expansion", 13),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, random, sizeof random),
      OSSL_PARAM_construct_end(),
  };
  if (EVP_KDF_derive(derivation, block, sizeof block, parameters) != 1) fail("key expansion");
  EVP_KDF_CTX_free(derivation);
  memcpy(client->writeKey, block, 16);
  memcpy(client->readKey, block + 16, 16);
  memcpy(client->writeIv, block + 32, 4);
  memcpy(client->readIv, block + 36, 4);
  /* Behind all that the handshake used, repetitions included. */
  client->sequence = 64;
}

/* OSCORE keys (RFC 8613 §3.2.1): no salt, no ID Context; the server's Sender ID is one byte, 0x53. */
static void deriveOscore(const uint8_t *id, int idLength, const char *type, int length, uint8_t *out) {
  uint8_t info[32];
  int at = 0, typeLength = strlen(type);
  info[at++] = 0x85;
  info[at++] = 0x40 | idLength;
  memcpy(info + at, id, idLength), at += idLength;
  info[at++] = 0xf6;
  info[at++] = 10;
  info[at++] = 0x60 | typeLength;
  memcpy(info + at, type, typeLength), at += typeLength;
  info[at++] = length;
  static EVP_KDF *function;
  if (function == NULL) function = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *derivation = EVP_KDF_CTX_new(function);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, strlen(secret)),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, at),
      OSSL_PARAM_construct_end(),
  };
  if (EVP_KDF_derive(derivation, out, length, parameters) != 1) fail("OSCORE keys");
  EVP_KDF_CTX_free(derivation);
}

static void oscoreContext(struct client *client, int number) {
  uint8_t id[2] = {number >> 8, number}, server = 0x53, iv[13];
  deriveOscore(id, 2, "Key", 16, client->writeKey);
  deriveOscore(&server, 1, "Key", 16, client->readKey);
  deriveOscore(id, 0, "IV", 13, iv);
  /* The nonce without its Partial IV (§5.2): the length and the value of the Sender ID, over the Common IV. */
  memcpy(client->writeIv, iv, 13);
  client->writeIv[0] ^= 2;
  client->writeIv[6] ^= id[0], client->writeIv[7] ^= id[1];
}

/* The AAD of both directions (§5.4). */
static int oscoreAad(uint8_t *aad, const uint8_t *id, const uint8_t *partialIv, int length) {
  static const uint8_t start[] = {0x83, 0x68, 'E', 'n', 'c', 'r', 'y', 'p', 't', '0', 0x40};
  uint8_t external[16] = {0x85, 1, 0x81, 10, 0x42, id[0], id[1], 0x40 | length};
  int at = 8;
  memcpy(external + at, partialIv, length), at += length;
  external[at++] = 0x40;
  memcpy(aad, start, sizeof start);
  aad[sizeof start] = 0x40 | at;
  memcpy(aad + sizeof start + 1, external, at);
  return sizeof start + 1 + at;
}

/* Five bytes at most, none of them leading zeros; the client's latest number. */
static int partialIvOf(const struct client *client, uint8_t *partialIv) {
  uint64_t number = client->sequence;
  int length = number < 1 << 8 ? 1 : number < 1 << 16 ? 2 : number < 1 << 24 ? 3 : 4;
  for (int index = 0; index < length; index++) partialIv[index] = number >> (8 * (length - 1 - index));
  return length;
}

static void oscoreNonce(const struct client *client, uint8_t *nonce) {
  memcpy(nonce, client->writeIv, 13);
  for (int index = 0; index < 5; index++) nonce[12 - index] ^= client->sequence >> (8 * index);
}

/* Requests. */

static int writeOptions(uint8_t *message, int at, int last, uint32_t block) {
  for (const char *segment = path; *segment != 0;) {
    int length = strcspn(segment, "/"), delta = 11 - last;
    last = 11;
    if (length < 13)
      message[at++] = delta << 4 | length;
    else
      message[at++] = delta << 4 | 13, message[at++] = length - 13;
    memcpy(message + at, segment, length), at += length;
    segment += length + (segment[length] == '/');
  }
  if (isBlockwise) {
    int delta = 23 - last; /* Block2, blocks of 1,024 bytes */
    uint32_t value = block << 4 | 6;
    message[at++] = delta << 4 | (value < 256 ? 1 : 2);
    if (value >= 256) message[at++] = value >> 8;
    message[at++] = value;
  }
  return at;
}

static void sendRequest(struct client *client, double due) {
  uint8_t message[MAX];
  int number = client - clients, at = 8;
  client->messageId++, client->token++;
  client->isBusy = 1, client->since = due, client->sentAt = now();
  message[0] = 0x44, message[1] = isOscore ? 2 : 1;
  message[2] = client->messageId >> 8, message[3] = client->messageId;
  memcpy(message + 4, &client->token, 4);
  if (!isOscore) {
    at = writeOptions(message, at, 0, client->block);
    if (payload != NULL) {
      message[1] = 3;
      message[at++] = 1 << 4; /* Content-Format 0, which has no bytes */
      message[at++] = 0xff;
      memcpy(message + at, payload, strlen(payload)), at += strlen(payload);
    }
    transmit(client, message, at);
    return;
  }
  uint8_t id[2] = {number >> 8, number}, partialIv[5], nonce[13], aad[48], text[MAX];
  client->sequence++;
  int length = partialIvOf(client, partialIv);
  message[at++] = 9 << 4 | (1 + length + 2);
  message[at++] = 8 | length;
  memcpy(message + at, partialIv, length), at += length;
  message[at++] = id[0], message[at++] = id[1];
  message[at++] = 0xff;
  text[0] = 1;
  int textLength = writeOptions(text, 1, 0, 0);
  oscoreNonce(client, nonce);
  seal(client->writeKey, nonce, 13, aad, oscoreAad(aad, id, partialIv, length), text, textLength);
  memcpy(message + at, text, textLength + TAG);
  transmit(client, message, at + textLength + TAG);
}

/* Where the payload begins, the code of a protected response, and Block2; 0 for what cannot be read. */
static int readOptions(const uint8_t *message, int at, int length, uint32_t *block) {
  int option = 0;
  *block = 0;
  while (at < length && message[at] != 0xff) {
    int delta = message[at] >> 4, size = message[at] & 15;
    at++;
    if (delta == 15 || size == 15 || delta == 14 || size == 14) return 0;
    if (delta == 13) delta = 13 + message[at++];
    if (size == 13) size = 13 + message[at++];
    option += delta;
    if (option == 23)
      for (int index = 0; index < size; index++) *block = *block << 8 | message[at + index];
    at += size;
  }
  return at < length ? at + 1 : length;
}

static void take(struct client *client, uint8_t *datagram, int length) {
  uint8_t *message;
  length = receive(client, datagram, length, &message);
  if (length == 4 && message[0] == 0x40 && message[1] == 0) {
    /* A CoAP ping (RFC 7252 §4.3): whoever answers it may get answers that are larger than what it sent (RFC 9175 §2.6). */
    uint8_t reset[4] = {0x70, 0, message[2], message[3]};
    transmit(client, reset, 4);
    return;
  }
  if (length < 8 || (message[0] & 15) != 4 || memcmp(message + 4, &client->token, 4) != 0) return;
  int type = message[0] >> 4 & 3, code = message[1];
  if (type == 0) {
    uint8_t acknowledgement[4] = {0x60, 0, message[2], message[3]};
    transmit(client, acknowledgement, 4);
  }
  if (!client->isBusy) return;
  uint32_t block;
  int body = readOptions(message, 8, length, &block);
  if (isOscore) {
    uint8_t id[2] = {(client - clients) >> 8, client - clients}, partialIv[5], nonce[13], aad[48];
    int ivLength = partialIvOf(client, partialIv);
    oscoreNonce(client, nonce);
    int opened = openText(client->readKey, nonce, 13, aad, oscoreAad(aad, id, partialIv, ivLength), message + body, length - body);
    code = opened < 1 ? 0 : message[body];
  }
  client->isBusy = 0;
  if (isMeasuring) {
    if (code >> 5 == 2)
      answered++;
    else
      failed++;
    record(now() - client->since);
    bodyBytes += length - body;
  }
  client->block = isBlockwise && (block & 8) ? (block >> 4) + 1 : 0;
}

/* Handshakes. */

static unsigned pskCallback(SSL *ssl, const char *hint, char *name, unsigned nameSize, unsigned char *psk, unsigned size) {
  (void)ssl, (void)hint;
  unsigned length = strlen(key);
  if (length > size) return 0;
  snprintf(name, nameSize, "%s", identity);
  memcpy(psk, key, length);
  return length;
}

static void makeContext(void) {
  context = SSL_CTX_new(DTLS_client_method());
  SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  if (key != NULL) {
    SSL_CTX_set_psk_client_callback(context, pskCallback);
    if (SSL_CTX_set_cipher_list(context, "PSK-AES128-CCM8:@SECLEVEL=0") != 1) fail("cipher suite");
    return;
  }
  if (SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0") != 1 ||
      SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, privateKey, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(context, authority, NULL) != 1)
    fail("certificate");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
}

static int isOver(struct client *client) { return client->isUp != 0; }

/* One step of a handshake; at its end the client is what it needs to be for requests. */
static int step(struct client *client) {
  ERR_clear_error();
  int result = SSL_do_handshake(client->ssl);
  if (result == 1) {
    takeKeys(client);
    client->isUp = 1;
    established++;
    record(now() - client->handshakeAt);
  } else {
    int error = SSL_get_error(client->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
    if (refused++ < 3) ERR_print_errors_fp(stderr);
    client->isUp = -1;
  }
  SSL_free(client->ssl);
  client->ssl = NULL;
  if (isForgetful) close(client->fd), client->fd = -1;
  return 1;
}

static void start(int number) {
  struct client *client = &clients[number];
  client->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (client->fd < 0) fail("no socket: raise ulimit -n");
  if (firstNumber >= 0) {
    /* 127.0.0.2, 127.0.0.3, …: 20,000 ports of each. */
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(10000 + (firstNumber + number) % 20000)};
    own.sin_addr.s_addr = htonl(0x7f000002 + (firstNumber + number) / 20000);
    if (bind(client->fd, (void *)&own, sizeof own) != 0) fail("port in use");
  }
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(client->fd, (void *)&server, sizeof server) != 0) fail("connect");
  client->messageId = random(), client->token = random();
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
  epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event);
  if (isOscore) {
    oscoreContext(client, number);
    /* Above all that runs before this one have used, as long as they are within 18 hours: a number is taken once (RFC 8613 §7.4). */
    client->sequence = (uint64_t)(time(NULL) & 0xffff) << 16;
  }
  if (!isSecured) {
    client->isUp = 1;
    return;
  }
  client->ssl = SSL_new(context);
  BIO *bio = BIO_new_dgram(client->fd, BIO_NOCLOSE);
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &server);
  SSL_set_bio(client->ssl, bio, bio);
  SSL_set_connect_state(client->ssl);
  SSL_set_options(client->ssl, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(client->ssl, 1232);
  client->handshakeAt = now();
  step(client);
}

/* All clients, `atOnce` at a time. When nothing moves for four seconds, what is open is lost. */
static void connectAll(void) {
  int started = 0, over = 0, first = 0, overBefore = 0;
  double begin = now(), swept = begin, progress = begin;
  struct epoll_event events[256];
  while (over < count && now() - progress < 4) {
    if (over > overBefore) overBefore = over, progress = now();
    while (started < count && started - over < atOnce) {
      start(started);
      over += isOver(&clients[started++]);
    }
    int ready = isSecured ? epoll_wait(epoll, events, 256, 20) : 0;
    for (int index = 0; index < ready; index++) {
      struct client *client = &clients[events[index].data.u32];
      if (client->ssl != NULL) over += step(client);
    }
    if (now() - swept < 0.1) continue;
    swept = now();
    while (first < started && clients[first].ssl == NULL) first++;
    for (int number = first; number < started; number++)
      if (clients[number].ssl != NULL) DTLSv1_handle_timeout(clients[number].ssl);
  }
  double elapsed = progress - begin;
  if (over == count) elapsed = now() - begin;
  printf("{\"event\":\"connected\",\"clients\":%ld,\"lost\":%ld,\"seconds\":%.4f,\"p50\":%.3f,\"p99\":%.3f}\n", isSecured ? established : count,
         isSecured ? count - established : 0, elapsed, quantile(0.5), quantile(0.99));
  fflush(stdout);
  memset(buckets, 0, sizeof buckets);
  latencies = 0, longest = 0;
}

/* Requests until the time is over. */
static void run(void) {
  double begin = now(), measuredFrom = begin + warmUp, end = measuredFrom + seconds, swept = begin;
  long sent = 0, dueNumber = 0;
  struct epoll_event events[256];
  uint8_t datagram[MAX];
  int next = 0, idle = 0;
  for (int number = 0; number < count; number++) {
    struct client *client = &clients[number];
    if (client->isUp != 1) continue;
    idle++;
    if (rate == 0) sendRequest(client, now());
  }
  for (;;) {
    double time = now();
    if (!isMeasuring && time >= measuredFrom) {
      isMeasuring = 1;
      measuredFrom = time, end = time + seconds;
      printf("{\"event\":\"begin\"}\n");
      fflush(stdout);
    }
    if (time >= end) break;
    if (rate > 0) {
      /* The next client that is free, in turns; while there is none, what is due waits, and the wait counts. */
      long due = (time - begin) * rate;
      for (; dueNumber < due; dueNumber++) {
        int tries = 0;
        while (tries < count && (clients[next].isBusy || clients[next].isUp != 1)) next = (next + 1) % count, tries++;
        if (tries == count) break;
        sendRequest(&clients[next], begin + dueNumber / rate);
        sent++;
      }
    }
    int ready = epoll_wait(epoll, events, 256, rate > 0 ? 0 : 20);
    for (int index = 0; index < ready; index++) {
      struct client *client = &clients[events[index].data.u32];
      int length;
      while ((length = recv(client->fd, datagram, sizeof datagram, 0)) > 0) take(client, datagram, length);
      if (rate == 0 && client->isUp == 1 && !client->isBusy) sendRequest(client, now());
    }
    if (time - swept < 0.02) continue;
    swept = time;
    for (int number = 0; number < count; number++) {
      struct client *client = &clients[number];
      if (!client->isBusy || time - client->sentAt < 1) continue;
      /* The same message once more: its answer may only be late. */
      if (isMeasuring) repeated++;
      client->messageId--, client->token--;
      if (isOscore) client->sequence--;
      sendRequest(client, client->since);
    }
  }
  double elapsed = now() - measuredFrom;
  printf("{\"event\":\"end\",\"answered\":%ld,\"failed\":%ld,\"repeated\":%ld,\"seconds\":%.4f,\"bodyBytes\":%llu,\"p50\":%.3f,\"p90\":%.3f,"
         "\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}\n",
         answered, failed, repeated, elapsed, (unsigned long long)bodyBytes, quantile(0.5), quantile(0.9), quantile(0.99), quantile(0.999),
         longest * 1e3);
  fflush(stdout);
}

int main(int argumentCount, char **arguments) {
  int option;
  if (argumentCount < 2) fail("usage: load PORT [options]");
  port = atoi(arguments[1]);
  if (port <= 0) fail("no port");
  optind = 2;
  while ((option = getopt(argumentCount, arguments, "n:t:w:u:r:i:k:c:y:a:x:O:HA:Bp:")) > 0) switch (option) {
      case 'n': count = atoi(optarg); break;
      case 't': seconds = atof(optarg); break;
      case 'w': warmUp = atof(optarg); break;
      case 'u': path = optarg; break;
      case 'r': rate = atof(optarg); break;
      case 'i': identity = optarg; break;
      case 'k': key = optarg; break;
      case 'c': certificate = optarg; break;
      case 'y': privateKey = optarg; break;
      case 'a': authority = optarg; break;
      case 'x': atOnce = atoi(optarg); break;
      case 'O': secret = optarg; break;
      case 'H': isForgetful = 1; break;
      case 'A': firstNumber = atoi(optarg); break;
      case 'B': isBlockwise = 1; break;
      case 'p': payload = optarg; break;
      default: return 1;
    }
  isOscore = secret != NULL;
  isSecured = key != NULL || certificate != NULL;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  srandom(time(NULL) ^ getpid());
  sealing = EVP_CIPHER_CTX_new(), opening = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(sealing, EVP_aes_128_ccm(), NULL, NULL, NULL);
  EVP_DecryptInit_ex(opening, EVP_aes_128_ccm(), NULL, NULL, NULL);
  if (isSecured) makeContext();
  clients = calloc(count, sizeof *clients);
  epoll = epoll_create1(0);
  connectAll();
  if (!isForgetful) run();
  return 0;
}
