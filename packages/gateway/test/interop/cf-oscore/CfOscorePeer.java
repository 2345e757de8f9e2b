import java.util.HexFormat;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.oscore.ContextRederivation;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;

/**
 * CaliforniumPeer under OSCORE by cf-oscore, which keeps nothing for the next process.
 *
 * <pre>
 * server PORT STATE            what CaliforniumPeer serves
 * client AUTHORITY STATE       obeys what CaliforniumPeer obeys, at coap://HOST:PORT
 * </pre>
 *
 * STATE is the next Sender Sequence Number, or "anew": the context is derived anew (RFC 8613 Appendix B.2), for which the
 * client begins a run at once and the server answers one.
 */
public final class CfOscorePeer {
	private static final byte[] MASTER_SECRET = HexFormat.of().parseHex("0102030405060708090a0b0c0d0e0f10");
	private static final byte[] MASTER_SALT = HexFormat.of().parseHex("9e7ca92223786340");
	private static final byte[] CLIENT = { 0x0c };
	private static final byte[] SERVER = { 0x05 };
	/** Largest body that may come in Outer blocks. */
	private static final int MAX_UNFRAGMENTED_SIZE = 4096;

	private static OSCoreCtx context(boolean isClient, String state) throws Exception {
		OSCoreCtx context = new OSCoreCtx(MASTER_SECRET, isClient, AlgorithmID.AES_CCM_16_64_128, isClient ? CLIENT : SERVER,
				isClient ? SERVER : CLIENT, AlgorithmID.HKDF_HMAC_SHA_256, 32, MASTER_SALT, null, MAX_UNFRAGMENTED_SIZE);
		if (!state.equals("anew")) {
			context.setSenderSeq(Integer.parseInt(state));
			return context;
		}
		context.setContextRederivationEnabled(true);
		if (isClient) context.setContextRederivationPhase(ContextRederivation.PHASE.CLIENT_INITIATE);
		return context;
	}

	public static void main(String[] arguments) throws Exception {
		Configuration configuration = CaliforniumPeer.configuration();
		HashMapCtxDB contexts = new HashMapCtxDB();
		OSCoreCoapStackFactory.useAsDefault(contexts);
		boolean isClient = arguments[0].equals("client");
		OSCoreCtx context = context(isClient, arguments[2]);
		if (isClient) {
			contexts.addContext(arguments[1], context);
			// An empty OSCORE option asks for protection.
			CaliforniumPeer.ask(configuration, (Request request) -> request.getOptions().setOscore(new byte[0]));
		} else {
			contexts.addContext(context);
			CaliforniumPeer.serve(configuration, Integer.parseInt(arguments[1]));
		}
	}

	private CfOscorePeer() {
	}
}
