import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { oscoreOverhead } from 'coapsule/oscore';
import { adviseProtocol } from '../../src/advice/protocol-choice.ts';
import { adviseSecurity, securityFactors } from '../../src/advice/security-mode.ts';
import { newOscorePair } from '../../src/cli/keys-oscore.ts';
import {
  comparedSuites,
  dtlsBytes,
  exampleRequest,
  exchangeBytes,
  madeSenderIdBytes,
  oscoreBytes,
  oscoreRequestRange,
  reportProtectionBytes,
} from '../../src/figures/protection-sizes.ts';

describe('the bytes of protection', () => {
  test('OSCORE adds 14, 11 and 14 under a Sender ID of one byte; 13 without an ID, and 17 as this product makes contexts', () => {
    assert.deepEqual(oscoreBytes(), { request: 14, response: 11, notification: 14 });
    assert.deepEqual(oscoreRequestRange(), { least: 13, most: 17 });
    assert.equal(reportProtectionBytes('oscore'), 17);
    assert.equal(oscoreBytes({ aead: 'AES-CCM-16-128-128' }).response, 19);
  });

  test('DTLS adds 29 and 37 with CCM, 37 with GCM and 29 with ChaCha20', () => {
    assert.deepEqual(
      comparedSuites.map((suite) => dtlsBytes(suite)),
      [29, 37, 37, 29],
    );
    assert.equal(reportProtectionBytes('dtls'), 29);
    assert.equal(reportProtectionBytes('none'), 0);
  });

  test('the exchange of the step explorer is a plain one with what each protection adds, and nothing is unexplained', () => {
    assert.deepEqual(exchangeBytes('none'), { sent: 26, received: 13 });
    // The token has 3 bytes less inside DTLS.
    assert.deepEqual(exchangeBytes('dtls'), { sent: 26 - 3 + 29, received: 13 - 3 + 29 });
    // Block2 is 2 bytes behind a path, and 3 alone.
    assert.deepEqual(exchangeBytes('oscore'), { sent: 26 + 2 + 14, received: 13 + 3 + 11 });
  });

  test('contexts that are made have as long a Sender ID as the figures count with', () => {
    assert.equal(newOscorePair((length) => new Uint8Array(length)).device.senderId.length, madeSenderIdBytes);
  });

  test('the rules, the factor table and the protocol chooser say these figures', () => {
    const bytes = securityFactors.find(({ factor }) => factor === 'bytes a message');
    assert.deepEqual(bytes, {
      ...{ factor: 'bytes a message', plain: '0' },
      ...{ psk: '29, with a 16-byte tag 37', certificate: '29, with a 16-byte tag 37' },
      oscore: '13 to 17 a request, 11 a response',
    });
    const { reason } = adviseSecurity({
      ...{ sensitiveData: true, publicKeyInfrastructure: false, keysAtManufacture: true },
      ...{ untrustedProxies: false, littleHeadroom: true },
    });
    assert.equal(
      reason,
      'OSCORE adds 11 to 17 bytes to a message and needs no handshake, DTLS adds 29 and more',
    );
    assert.match(
      adviseProtocol(['constrained']).hints.join(),
      /29 bytes a message with DTLS, 14 a request and 11 a response with OSCORE/,
    );
  });

  test('a longer path costs OSCORE nothing more: what moves inside is as long there', () => {
    const options = new OptionSet();
    for (const segment of 'hospital/north/ward-3/bed-12/heart-rate'.split('/')) {
      options.add(OptionNumber.UriPath, segment);
    }
    const long = { code: Code.Get, options, payload: new Uint8Array() };
    assert.equal(oscoreOverhead(long), oscoreOverhead(exampleRequest()));
    const plain = encodeMessage({ ...long, type: 'CON', messageId: 1, token: new Uint8Array(4) });
    assert.equal(plain.length, 8 + 'hospital/north/ward-3/bed-12/heart-rate'.length + 1);
  });
});
