import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockSizeForLink, linkProfiles } from '../../../src/core/coap/link-profile.ts';

test('the block of a link is what its room leaves beside header, options and record', () => {
  const table = Object.entries(linkProfiles).map(([name, link]) => [
    name,
    blockSizeForLink(link, 'none'),
    blockSizeForLink(link, 'dtls'),
  ]);
  assert.deepEqual(table, [
    ['wifi', 1024, 1024],
    ['ethernet', 1024, 1024],
    ['nb-iot', 1024, 1024],
    ['6lowpan', 64, 32],
    ['serial-9600', 512, 512],
    ['serial-115200', 512, 512],
  ]);
});

test('a room that is too small even for the smallest block gets that one', () => {
  assert.equal(blockSizeForLink({ ...linkProfiles['6lowpan'], blockRoomBytes: 20 }, 'dtls'), 16);
});
