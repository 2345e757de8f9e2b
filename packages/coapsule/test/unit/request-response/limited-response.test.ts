import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { EchoValues } from '../../../src/core/request-response/echo.ts';
import { ResponseLimit } from '../../../src/core/request-response/limited-response.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

for (const allowance of [Infinity, 60]) {
  const which = allowance === Infinity ? 'a proved address' : 'an address that is to be proved';
  test(`an Echo for ${which} goes with an acknowledgement, and waits while there is none: libcoap would put it into an Empty message`, () => {
    let due = true;
    const takesEcho = (): boolean => {
      const taken = due;
      due = false;
      return taken;
    };
    const echo = new EchoValues(nodeCrypto, new SeededRandom(1));
    const bodies = { keep: () => assert.fail('no body is kept') };
    const limit = new ResponseLimit(
      { allowance: () => allowance, takesEcho, mayAsk: () => false, isAsking: () => false },
      echo,
      bodies,
    );
    const hasEcho = (mayEcho: boolean): boolean => {
      const place = { peer: 'peer', token: noBytes, szx: 6, mayRefuse: false, mayEcho, leavesPing: false };
      // Of 16 to 1024 bytes, as the size of its blocks is.
      const make = (szx: number) => ({
        code: Code.Content,
        options: new OptionSet(),
        payload: new Uint8Array(16 << szx),
      });
      return limit.fit(place, make, instant(0)).content.options.has(OptionNumber.Echo);
    };
    assert.deepEqual([hasEcho(false), hasEcho(true)], [false, true]);
  });
}
