import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.function.Consumer;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.coap.MessageObserverAdapter;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.UdpConfig;

/**
 * Californium over plain UDP, with its own settings, as a program of the interoperation tests.
 *
 * <pre>
 * server PORT       serves /hello, /large (GET and PUT, 8 KB) and /obs (a tick a second)
 * client 0          obeys lines of standard input:
 *                     get URI · put URI LENGTH · observe URI COUNT · listen URI COUNT
 *                   listen takes notifications as they come; observe takes those alone that CoapClient finds newer
 * </pre>
 *
 * Tells one JSON object a line: ready; response {code, length, sha256, text}; error {text}.
 */
public final class CaliforniumPeer {
	private static byte[] body(int length) {
		byte[] bytes = new byte[length];
		for (int i = 0; i < length; i++) bytes[i] = (byte) ('a' + i * 31 % 26);
		return bytes;
	}

	static synchronized void tell(String json) {
		System.out.println(json);
		System.out.flush();
	}

	private static String quote(String text) {
		StringBuilder quoted = new StringBuilder("\"");
		for (char c : text.toCharArray()) {
			if (c == '"' || c == '\\') quoted.append('\\').append(c);
			else if (c < ' ') quoted.append(String.format("\\u%04x", (int) c));
			else quoted.append(c);
		}
		return quoted.append('"').toString();
	}

	private static String sha256(byte[] bytes) throws Exception {
		StringBuilder hex = new StringBuilder();
		for (byte b : MessageDigest.getInstance("SHA-256").digest(bytes)) hex.append(String.format("%02x", b & 255));
		return hex.toString();
	}

	private static void tell(CoapResponse response) {
		tell(response == null ? null : response.advanced());
	}

	private static void tell(Response response) {
		if (response == null) {
			tell("{\"event\": \"error\", \"text\": \"no response\"}");
			return;
		}
		try {
			byte[] payload = response.getPayload();
			String text = payload.length > 100 ? "" : new String(payload, StandardCharsets.UTF_8);
			tell("{\"event\": \"response\", \"code\": " + quote(response.getCode().text) + ", \"length\": " + payload.length
					+ ", \"sha256\": " + quote(sha256(payload)) + ", \"text\": " + quote(text) + "}");
		} catch (Exception exception) {
			tell("{\"event\": \"error\", \"text\": " + quote(exception.toString()) + "}");
		}
	}

	private static final class Large extends CoapResource {
		private byte[] state = body(8192);

		Large() {
			super("large");
		}

		@Override
		public void handleGET(CoapExchange exchange) {
			exchange.respond(CoAP.ResponseCode.CONTENT, state, MediaTypeRegistry.TEXT_PLAIN);
		}

		@Override
		public void handlePUT(CoapExchange exchange) {
			state = exchange.getRequestPayload();
			exchange.respond(CoAP.ResponseCode.CHANGED);
		}
	}

	private static final class Hello extends CoapResource {
		Hello() {
			super("hello");
		}

		@Override
		public void handleGET(CoapExchange exchange) {
			exchange.respond("hello from californium");
		}
	}

	private static final class Ticks extends CoapResource {
		private int tick;

		Ticks() {
			super("obs");
			setObservable(true);
			Thread thread = new Thread(() -> {
				while (true) {
					try {
						Thread.sleep(1000);
					} catch (InterruptedException exception) {
						return;
					}
					tick++;
					changed();
				}
			});
			thread.setDaemon(true);
			thread.start();
		}

		@Override
		public void handleGET(CoapExchange exchange) {
			exchange.respond("tick " + tick);
		}
	}

	static void serve(Configuration configuration, int port) {
		CoapServer server = new CoapServer(configuration);
		CoapEndpoint.Builder endpoint = new CoapEndpoint.Builder();
		endpoint.setConfiguration(configuration);
		endpoint.setInetSocketAddress(new InetSocketAddress("127.0.0.1", port));
		server.addEndpoint(endpoint.build());
		server.add(new Hello(), new Large(), new Ticks());
		server.start();
		tell("{\"event\": \"ready\"}");
	}

	/** Obeys the lines; each request goes through {@code prepared} before it is sent. */
	static void ask(Configuration configuration, Consumer<Request> prepared) throws Exception {
		CoapEndpoint.Builder builder = new CoapEndpoint.Builder();
		builder.setConfiguration(configuration);
		CoapEndpoint endpoint = builder.build();
		endpoint.start();
		tell("{\"event\": \"ready\"}");
		BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = lines.readLine()) != null;) {
			String[] words = line.trim().split(" ");
			CoapClient client = new CoapClient(words[1]);
			client.setEndpoint(endpoint);
			client.setTimeout(60_000L);
			Request request = words[0].equals("put") ? Request.newPut() : Request.newGet();
			prepared.accept(request);
			switch (words[0]) {
			case "get":
				tell(client.advanced(request));
				break;
			case "put":
				request.setPayload(body(Integer.parseInt(words[2])));
				request.getOptions().setContentFormat(MediaTypeRegistry.TEXT_PLAIN);
				tell(client.advanced(request));
				break;
			case "observe":
				request.setObserve();
				observe(client, request, Integer.parseInt(words[2]));
				break;
			case "listen":
				listen(endpoint, request.setURI(words[1]), Integer.parseInt(words[2]));
				break;
			default:
				tell("{\"event\": \"error\", \"text\": \"unknown command\"}");
			}
		}
	}

	private static void observe(CoapClient client, Request request, int count) {
		final int[] left = { count };
		final CoapObserveRelation[] relation = new CoapObserveRelation[1];
		relation[0] = client.observe(request, new CoapHandler() {
			@Override
			public void onLoad(CoapResponse response) {
				tell(response);
				if (--left[0] == 0 && relation[0] != null) relation[0].proactiveCancel();
			}

			@Override
			public void onError() {
				tell("{\"event\": \"error\", \"text\": \"observation failed\"}");
			}
		});
	}

	private static void listen(CoapEndpoint endpoint, Request request, int count) {
		final int[] left = { count };
		request.setObserve();
		request.addMessageObserver(new MessageObserverAdapter() {
			@Override
			public void onResponse(Response response) {
				left[0]--;
				tell(response);
			}
		});
		endpoint.addNotificationListener((observed, response) -> {
			if (!observed.getToken().equals(request.getToken()) || left[0]-- <= 0) return;
			tell(response);
			if (left[0] == 0) endpoint.cancelObservation(request.getToken());
		});
		endpoint.sendRequest(request);
	}

	/** Californium's own settings. */
	static Configuration configuration() {
		CoapConfig.register();
		UdpConfig.register();
		return Configuration.createStandardWithoutFile();
	}

	public static void main(String[] arguments) throws Exception {
		Configuration configuration = configuration();
		if (arguments[0].equals("server")) serve(configuration, Integer.parseInt(arguments[1]));
		else ask(configuration, request -> {
		});
	}

	private CaliforniumPeer() {
	}
}
