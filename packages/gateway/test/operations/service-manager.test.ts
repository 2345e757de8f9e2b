/** What systemd is told, and when, on virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceManager, type ServiceManagerParts } from '../../src/operations/service-manager.ts';
import { VirtualTimer } from '../virtual-timer.ts';

interface Watched {
  readonly manager: ServiceManager | undefined;
  readonly timer: VirtualTimer;
  readonly told: string[];
  readonly errors: string[];
}

function start(variables: ServiceManagerParts['variables'], fails = false): Watched {
  const timer = new VirtualTimer();
  const told: string[] = [];
  const errors: string[] = [];
  const manager = ServiceManager.of({
    ...{ variables, timer },
    processId: 7,
    notify: async (args) => {
      if (fails) throw new Error('spawn systemd-notify ENOENT');
      told.push(args.join(' '));
    },
    onError: (text) => errors.push(text),
  });
  return { manager, timer, told, errors };
}

const socket = { NOTIFY_SOCKET: '/run/systemd/notify' };

test('without a service manager that waits nobody is told', () => {
  assert.equal(start({}).manager, undefined);
  assert.equal(start({ NOTIFY_SOCKET: '' }).manager, undefined);
});

test('it is told of the start and of the stop, and without a watchdog of nothing between', async () => {
  const { manager, timer, told } = start(socket);
  await manager?.ready();
  timer.advance(3_600_000);
  await manager?.stopping();
  assert.deepEqual(told, ['--ready --status=serving', 'STOPPING=1 STATUS=finishing what was acknowledged']);
});

test('a watchdog is fed twice in its time, until the stop, and only by the process that it watches', async () => {
  const { manager, timer, told } = start({ ...socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' });
  await manager?.ready();
  timer.advance(60_000);
  assert.equal(told.filter((one) => one === 'WATCHDOG=1').length, 4);
  await manager?.stopping();
  timer.advance(60_000);
  assert.equal(told.filter((one) => one === 'WATCHDOG=1').length, 4);
  const other = start({ ...socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' });
  await other.manager?.ready();
  other.timer.advance(60_000);
  assert.equal(other.told.length, 1);
});

test('where the program is missing, it is said once what to do, and the gateway goes on', async () => {
  const { manager, timer, errors } = start({ ...socket, WATCHDOG_USEC: '1000000' }, true);
  await manager?.ready();
  timer.advance(10_000);
  await manager?.stopping();
  assert.equal(errors.length, 1);
  assert.match(errors[0] as string, /ENOENT.*Type=exec/);
});
