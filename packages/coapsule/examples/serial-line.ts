/**
 * Which serial line the examples use: the one that is named, `ttyUSB0:115200` or `COM3`, or a virtual one, whose two ends
 * socat makes (`apt-get install socat`). The server makes it, and the client uses its other end.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const serverEnd = join(tmpdir(), 'coapsule-line-server');
const clientEnd = join(tmpdir(), 'coapsule-line-client');

/** What stands between `coap+serial://` and the path, for a server. */
export async function lineOfServer(named: string | undefined): Promise<string> {
  if (named !== undefined) return authority(named);
  const end = (link: string): string => `PTY,raw,echo=0,link=${link}`;
  const socat = spawn('socat', [end(serverEnd), end(clientEnd)], { stdio: ['ignore', 'ignore', 'inherit'] });
  socat.on('error', () => {
    console.error('without a device a virtual line is used, which socat makes: apt-get install socat');
    process.exit(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit());
  process.on('exit', () => socat.kill());
  while (!(existsSync(serverEnd) && existsSync(clientEnd))) await sleep(10);
  return encodeURIComponent(serverEnd);
}

/** The same for a client. */
export function lineOfClient(named: string | undefined): string {
  return named === undefined ? encodeURIComponent(clientEnd) : authority(named);
}

/** A path is percent-encoded in a URI; the rate behind its last colon is not. */
function authority(named: string): string {
  const [, device = '', rate = ''] = /^(.*?)(:\d+)?$/.exec(named) ?? [];
  return encodeURIComponent(device) + rate;
}
