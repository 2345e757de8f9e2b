/** Which servers a forward-proxy may ask for others, whatever way their addresses are written in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AllowedAddresses } from '../../../src/proxy/allowed-addresses.ts';

const own = ['127.0.0.1', '::1', '1.1.1.1', '2606:4700::1111'];

test('a public address of this machine is none of the servers, however it is written', () => {
  const addresses = new AllowedAddresses([], 'proxy');
  for (const address of ['1.1.1.1', '::ffff:1.1.1.1', '::ffff:101:101', '0:0:0:0:0:ffff:0101:0101'])
    assert.equal(addresses.allows(address, own), false, address);
  for (const address of ['2606:4700::1111', '2606:4700:0::1111', '2606:4700:0:0:0:0:0:1111'])
    assert.equal(addresses.allows(address, own), false, address);
  for (const address of ['1.1.1.2', '::ffff:1.1.1.2', '2606:4700::1112'])
    assert.equal(addresses.allows(address, own), true, address);
});

test('a network that is named may be asked, this machine too', () => {
  const addresses = new AllowedAddresses(['1.1.1.0/24', '127.0.0.1'], 'proxy');
  for (const address of ['1.1.1.1', '::ffff:101:101', '127.0.0.1'])
    assert.equal(addresses.allows(address, own), true, address);
  assert.equal(addresses.allows('127.0.0.2', own), false);
});

test('a name is as allowed as all of its addresses', async () => {
  const addresses = new AllowedAddresses([], 'proxy');
  const found = async (): Promise<readonly string[]> => ['9.9.9.9', '::ffff:a00:1'];
  await assert.rejects(addresses.lookUp('name.example', found), { code: 'ERR_ADDRESS' });
  assert.deepEqual(await addresses.lookUp('name.example', async () => ['9.9.9.9']), ['9.9.9.9']);
});
