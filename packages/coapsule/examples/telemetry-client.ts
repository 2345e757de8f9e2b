/**
 * Three ways to talk to a device: a reading that may get lost, a command that may not, and a setting.
 *
 *     npx node --conditions=@coapsule/source packages/coapsule/examples/telemetry-client.ts [BASE-URI]
 */
import { Client, CoapsuleError } from 'coapsule';

const base = process.argv[2] ?? 'coaps://localhost';
await using client = new Client({
  psk: { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') },
});

/** A reading goes Non-confirmable: one datagram, no retransmission, no waiting. */
async function sendTemperature(celsius: number): Promise<void> {
  const { warnings } = await client.send('telemetry', `${base}/sensors/temp`, { payload: String(celsius) });
  for (const warning of warnings) console.error(warning);
}

/** A command goes Confirmable: true only when the door says that it did it. */
async function unlockDoor(): Promise<boolean> {
  try {
    const { response } = await client.send('command', `${base}/lock`, { payload: 'unlock' });
    return response?.ok === true;
  } catch (error) {
    if (!(error instanceof CoapsuleError)) throw error;
    console.error(`Command failed, alert user: ${error.message}`);
    return false;
  }
}

/** So does a setting, and the device may refuse the value. */
async function setReportingInterval(seconds: number): Promise<string> {
  const { response } = await client.send('configuration', `${base}/config/interval`, {
    payload: String(seconds),
  });
  return response?.codeText ?? 'no answer';
}

await sendTemperature(22.5);
console.log(`unlocked: ${await unlockDoor()}`);
console.log(`interval: ${await setReportingInterval(60)}`);
