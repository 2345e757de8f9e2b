import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Principal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.EndpointContext;
import org.eclipse.californium.elements.MessageCallback;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.auth.RawPublicKeyIdentity;
import org.eclipse.californium.elements.config.CertificateAuthenticationMode;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.Bytes;
import org.eclipse.californium.elements.util.SslContextUtil;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.DTLSContext;
import org.eclipse.californium.scandium.dtls.DTLSSession;
import org.eclipse.californium.scandium.dtls.ExtendedMasterSecretMode;
import org.eclipse.californium.scandium.dtls.Handshaker;
import org.eclipse.californium.scandium.dtls.MaxFragmentLengthExtension;
import org.eclipse.californium.scandium.dtls.SessionAdapter;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.californium.scandium.dtls.cipher.XECDHECryptography.SupportedGroup;
import org.eclipse.californium.scandium.dtls.pskstore.AdvancedMultiPskStore;
import org.eclipse.californium.scandium.dtls.pskstore.AdvancedSinglePskStore;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticNewAdvancedCertificateVerifier;

/**
 * Californium's DTLS 1.2 as a peer of tests: <code>ScandiumPeer server|client PORT [--option value]…</code> on 127.0.0.1.
 *
 * <ul>
 * <li>--psk IDENTITY:KEY; --suites NAME,…; --groups NAME,…
 * <li>--credentials FILE: PEM with the private key and the chain, or a key pair; --types x509,rpk: what it is shown as
 * <li>--trust FILE: PEM of a trust anchor; --trust-rpk FILE: PEM of the peer's public key
 * <li>--client-authentication NONE|WANTED|NEEDED (server); --verify-name (client); --name SNI (client)
 * <li>--cid LENGTH (off without it); --mfl 512|1024|2048|4096; --rsl BYTES; --mtu BYTES; --no-session-id; --ems MODE
 * </ul>
 * Writes one JSON object per line to standard output: ready, connected, data, ping, alert, failed, sent, error.
 * Reads lines from standard input: "send HEX", "resume" (the next send begins with an abbreviated handshake),
 * "close" (close_notify); at the end of input it stops.
 * Either role resets a CoAP ping. A server answers a confirmable request with 2.05 and a text, and sends back anything
 * else.
 */
public final class ScandiumPeer {
  private static final String TEXT = "hello from scandium";

  private final boolean isServer;
  private final Map<String, String> options = new HashMap<>();
  private final DTLSConnector connector;
  private final InetSocketAddress address;

  public static void main(String[] args) throws Exception {
    new ScandiumPeer(args).run();
  }

  private ScandiumPeer(String[] args) throws Exception {
    isServer = args[0].equals("server");
    address = new InetSocketAddress(InetAddress.getByName("127.0.0.1"), Integer.parseInt(args[1]));
    for (int at = 2; at < args.length; at++) {
      boolean isFlag = at + 1 == args.length || args[at + 1].startsWith("--");
      options.put(args[at].substring(2), isFlag ? "" : args[++at]);
    }
    connector = new DTLSConnector(configuration());
    connector.setRawDataReceiver(this::received);
    connector.setAlertHandler((peer, alert) -> print("alert", "level", alert.getLevel(), "description", alert.getDescription()));
  }

  private void run() throws IOException {
    connector.start();
    print("ready", "port", connector.getAddress().getPort());
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.trim().split(" ");
      switch (words[0]) {
        case "send" -> send(HexFormat.of().parseHex(words[1]), new AddressEndpointContext(address, options.get("name"), null));
        case "resume" -> connector.forceResumeSessionFor(address);
        case "close" -> connector.close(address);
        default -> print("error", "reason", "no such command: " + line);
      }
    }
    connector.destroy();
    System.exit(0);
  }

  private DtlsConnectorConfig configuration() throws Exception {
    DtlsConfig.register();
    DtlsConnectorConfig.Builder builder = new DtlsConnectorConfig.Builder(new Configuration());
    builder.setAddress(isServer ? address : new InetSocketAddress(address.getAddress(), 0));
    builder.set(DtlsConfig.DTLS_ROLE, isServer ? DtlsConfig.DtlsRole.SERVER_ONLY : DtlsConfig.DtlsRole.CLIENT_ONLY);
    builder.set(DtlsConfig.DTLS_RECEIVER_THREAD_COUNT, 1).set(DtlsConfig.DTLS_CONNECTOR_THREAD_COUNT, 1);
    builder.set(DtlsConfig.DTLS_RETRANSMISSION_TIMEOUT, 1, TimeUnit.SECONDS);
    builder.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
    builder.set(DtlsConfig.DTLS_RECOMMENDED_CURVES_ONLY, false);
    builder.set(DtlsConfig.DTLS_USE_SERVER_NAME_INDICATION, true);
    builder.set(DtlsConfig.DTLS_VERIFY_SERVER_CERTIFICATES_SUBJECT, options.containsKey("verify-name"));
    if (options.containsKey("suites")) {
      List<CipherSuite> suites = Arrays.stream(options.get("suites").split(",")).map(CipherSuite::getTypeByName).toList();
      builder.set(DtlsConfig.DTLS_CIPHER_SUITES, suites);
    }
    if (options.containsKey("groups")) {
      List<SupportedGroup> groups = Arrays.stream(options.get("groups").split(",")).map(SupportedGroup::valueOf).toList();
      builder.set(DtlsConfig.DTLS_CURVES, groups);
    }
    if (options.containsKey("cid")) {
      builder.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, Integer.valueOf(options.get("cid")));
    }
    if (options.containsKey("mfl")) {
      builder.set(DtlsConfig.DTLS_MAX_FRAGMENT_LENGTH, MaxFragmentLengthExtension.Length.valueOf("BYTES_" + options.get("mfl")));
    }
    if (options.containsKey("rsl")) {
      builder.set(DtlsConfig.DTLS_RECORD_SIZE_LIMIT, Integer.valueOf(options.get("rsl")));
    }
    if (options.containsKey("mtu")) {
      builder.set(DtlsConfig.DTLS_MAX_TRANSMISSION_UNIT, Integer.valueOf(options.get("mtu")));
    }
    if (options.containsKey("ems")) {
      builder.set(DtlsConfig.DTLS_EXTENDED_MASTER_SECRET_MODE, ExtendedMasterSecretMode.valueOf(options.get("ems")));
    }
    if (isServer) {
      builder.set(DtlsConfig.DTLS_SERVER_USE_SESSION_ID, !options.containsKey("no-session-id"));
      builder.set(DtlsConfig.DTLS_CLIENT_AUTHENTICATION_MODE,
          CertificateAuthenticationMode.valueOf(options.getOrDefault("client-authentication", "NONE")));
    }
    if (options.containsKey("psk")) {
      String[] psk = options.get("psk").split(":", 2);
      byte[] key = psk[1].getBytes(StandardCharsets.UTF_8);
      if (isServer) {
        AdvancedMultiPskStore store = new AdvancedMultiPskStore();
        store.setKey(psk[0], key);
        builder.setAdvancedPskStore(store);
      } else {
        builder.setAdvancedPskStore(new AdvancedSinglePskStore(psk[0], key));
      }
    }
    List<CertificateType> types = new ArrayList<>();
    for (String type : options.getOrDefault("types", "x509").split(",")) {
      types.add(type.equals("rpk") ? CertificateType.RAW_PUBLIC_KEY : CertificateType.X_509);
    }
    if (options.containsKey("credentials")) {
      SslContextUtil.Credentials own = SslContextUtil.loadCredentials(options.get("credentials"));
      builder.setCertificateIdentityProvider(own.getCertificateChain() == null
          ? new SingleCertificateProvider(own.getPrivateKey(), own.getPublicKey())
          : new SingleCertificateProvider(own.getPrivateKey(), own.getCertificateChain(), types));
    }
    if (options.containsKey("trust") || options.containsKey("trust-rpk")) {
      StaticNewAdvancedCertificateVerifier.Builder trust = new StaticNewAdvancedCertificateVerifier.Builder();
      if (options.containsKey("trust")) {
        trust.setTrustedCertificates(SslContextUtil.loadTrustedCertificates(options.get("trust")));
      }
      if (options.containsKey("trust-rpk")) {
        trust.setTrustedRPKs(new RawPublicKeyIdentity(publicKey(options.get("trust-rpk"))));
      }
      builder.setAdvancedCertificateVerifier(trust.build());
    }
    builder.setSessionListener(new Report());
    return builder.build();
  }

  /** The SubjectPublicKeyInfo of the first PUBLIC KEY in a PEM file. */
  private static byte[] publicKey(String file) throws IOException {
    String pem = Files.readString(Path.of(file));
    String label = "PUBLIC KEY-----";
    int begin = pem.indexOf("-----BEGIN " + label) + ("-----BEGIN " + label).length();
    return Base64.getMimeDecoder().decode(pem.substring(begin, pem.indexOf("-----END " + label)));
  }

  private void received(RawData data) {
    if (data.bytes.length == 4 && data.bytes[0] == 0x40 && data.bytes[1] == 0) {
      print("ping", "from", data.getInetSocketAddress().getPort());
      send(new byte[] {0x70, 0, data.bytes[2], data.bytes[3]}, data.getEndpointContext());
      return;
    }
    print("data", "hex", HexFormat.of().formatHex(data.bytes), "text", printable(data.bytes), "from", data.getInetSocketAddress().getPort());
    if (isServer) {
      send(answer(data.bytes), data.getEndpointContext());
    }
  }

  /** RFC 7252 §3: a piggybacked 2.05 for a confirmable request, else the same bytes. */
  private static byte[] answer(byte[] request) {
    int tokenLength = request[0] & 0x0f;
    boolean isConfirmable = (request[0] & 0xf0) == 0x40;
    if (!isConfirmable || request.length < 4 + tokenLength || request[1] < 1 || request[1] > 7) {
      return request;
    }
    byte[] answer = Arrays.copyOf(request, 4 + tokenLength + 1 + TEXT.length());
    answer[0] = (byte) (0x60 | tokenLength);
    answer[1] = 0x45;
    answer[4 + tokenLength] = (byte) 0xff;
    System.arraycopy(TEXT.getBytes(StandardCharsets.US_ASCII), 0, answer, 5 + tokenLength, TEXT.length());
    return answer;
  }

  private void send(byte[] bytes, EndpointContext peer) {
    connector.send(RawData.outbound(bytes, peer, new MessageCallback() {
      @Override public void onConnecting() {}
      @Override public void onDtlsRetransmission(int flight) {}
      @Override public void onContextEstablished(EndpointContext context) {}
      @Override public void onSent() {
        print("sent", "bytes", bytes.length);
      }
      @Override public void onError(Throwable error) {
        print("error", "reason", error);
      }
    }, false));
  }

  /** Tells how each handshake ended. */
  private static final class Report extends SessionAdapter {
    @Override public void contextEstablished(Handshaker handshaker, DTLSContext context) {
      DTLSSession session = context.getSession();
      Principal peer = session.getPeerIdentity();
      print("connected",
          "suite", session.getCipherSuite(),
          "group", session.getEcGroup(),
          "signature", session.getSignatureAndHashAlgorithm(),
          "peer", peer == null ? null : peer.getName(),
          "peerKind", peer == null ? null : peer.getClass().getSimpleName(),
          "resumed", handshaker.getClass().getSimpleName().startsWith("Resuming"),
          "sessionIdLength", session.getSessionIdentifier() == null ? 0 : session.getSessionIdentifier().length(),
          "extendedMasterSecret", session.useExtendedMasterSecret(),
          "name", session.getHostName(),
          "readCid", hex(context.getReadConnectionId()),
          "writeCid", hex(context.getWriteConnectionId()),
          "maxFragmentLength", session.getMaxFragmentLength(),
          "recordSizeLimit", session.getRecordSizeLimit());
    }

    @Override public void handshakeFailed(Handshaker handshaker, Throwable error) {
      print("failed", "reason", error);
    }
  }

  private static String hex(Bytes bytes) {
    return bytes == null ? null : HexFormat.of().formatHex(bytes.getBytes());
  }

  private static String printable(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1).replaceAll("[^ -~]", ".");
  }

  private static synchronized void print(String event, Object... pairs) {
    StringBuilder line = new StringBuilder("{\"event\":" + json(event));
    for (int at = 0; at < pairs.length; at += 2) {
      line.append(',').append(json(pairs[at])).append(':').append(json(pairs[at + 1]));
    }
    System.out.println(line.append('}'));
  }

  private static String json(Object value) {
    if (value == null || value instanceof Boolean || value instanceof Number) {
      return String.valueOf(value);
    }
    return '"' + value.toString().replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("[^ -~]", ".") + '"';
  }
}
