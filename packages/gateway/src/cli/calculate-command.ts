/**
 * `coapsule calculate`: energy, battery, latency, bytes, retransmission, and what a fleet comes to.
 *
 * Beside figures that are in circulation stands what is right about them, with the reason.
 *
 * @module
 */

import { defaultTransmissionParameters, transmissionParameters } from 'coapsule/message';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BatteryInputs, batteryLife } from '../figures/battery-life.ts';
import { sleepFigures, sleepPresets } from '../figures/deep-sleep-presets.ts';
import { deliveryOdds } from '../figures/delivery-odds.ts';
import { fleetTraffic } from '../figures/fleet-traffic.ts';
import { measuredHandshake } from '../figures/measured-handshake.ts';
import {
  blockCount,
  blockSizes,
  fragmentLoss,
  largestBlock,
  serialTimeMs,
} from '../figures/message-sizes.ts';
import { observeTraffic } from '../figures/observe-traffic.ts';
import { dtlsBytes } from '../figures/protection-sizes.ts';
import { handshakePresets, radioCost } from '../figures/radio-energy.ts';
import { amplification, retransmissionSchedule } from '../figures/retransmission-schedule.ts';
import { securedLatency } from '../figures/secured-latency.ts';
import { type Finding, figure, printFinding, table } from './advice-output.ts';
import { protection, protectionOptions } from './calculate-protection.ts';
import { CaptureFile } from './capture-file.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { wholeNumber } from './option-values.ts';

/** Makes the command. */
export function calculateCommand(environment: CommandEnvironment): Command {
  const calculate = new Command('calculate');
  const add = <O>(
    name: string,
    description: string,
    example: string,
    options: readonly Option[],
    find: (options: O) => Finding | Promise<Finding>,
  ): void => {
    const command = calculate.command(name).description(description);
    for (const option of options) command.addOption(option);
    command
      .option('--json', 'one JSON object')
      .addHelpText('after', `\nExample:\n  coapsule calculate ${example}`)
      .action(async (given: O & { readonly json?: true }) =>
        printFinding(await find(given), given.json === true, environment),
      );
  };

  add(
    'handshake',
    'energy of a handshake, as it is printed and as it is',
    'handshake --messages 1000',
    [
      number('--messages <n>', 'messages that one handshake serves', 1, 1e9, 1000),
      new Option(
        '--write <file.pcapng>',
        'the handshake that is made here in memory, and the exchange behind it, for decode and Wireshark',
      ),
    ],
    handshake,
  );
  add(
    'battery',
    'how long a battery lasts with deep sleep',
    'battery --capacity 1800 --volts 3.7 --handshake 45 --message 1.8 --policy once',
    [
      number('--capacity <mAh>', 'of the battery', 0.001, 1e9, 1800),
      number('--volts <v>', 'of the battery', 0.1, 100, 3.7),
      number('--sleep <µA>', 'current while it sleeps', 0, 1e6, 0),
      number('--wake <mJ>', 'of each wake besides its message', 0, 1e9, 0),
      number('--handshake <mJ>', 'of a handshake', 0, 1e9, 45),
      number('--message <mJ>', 'of a message', 0, 1e9, 1.8),
      number('--per-day <n>', 'messages a day', 0, 1e9, 24),
      number('--self-discharge <percent>', 'a year', 0, 100, 0),
      new Option('--policy <policy>', 'when it shakes hands')
        .choices(['never', 'once', 'every-wake'])
        .default('once'),
      new Option('--presets', 'the table that is in circulation instead, beside what is right'),
    ],
    battery,
  );
  add(
    'latency',
    'how long a request takes, plain and secured',
    'latency --round-trip 50',
    [
      number('--round-trip <ms>', 'of the path', 0.001, 1e7, 20),
      new Option('--no-cookie', 'the server asks for no cookie'),
    ],
    latency,
  );
  add(
    'retransmission',
    'when a message is sent again, and what loss makes of the traffic',
    'retransmission --loss 20',
    [
      number(
        '--ack-timeout <s>',
        'ACK_TIMEOUT',
        0.001,
        1e5,
        defaultTransmissionParameters.ackTimeoutMs / 1000,
      ),
      number(
        '--random-factor <f>',
        'ACK_RANDOM_FACTOR',
        1,
        100,
        defaultTransmissionParameters.ackRandomFactor,
      ),
      new Option('--max-retransmit <n>', 'MAX_RETRANSMIT')
        .argParser((text) => wholeNumber(text, 0, 20))
        .default(defaultTransmissionParameters.maxRetransmit),
      number('--loss <percent>', 'that is lost one way', 0, 100, 20),
    ],
    retransmission,
  );
  add(
    'sizes',
    'the largest block for a frame, how many there are, and how likely a cut datagram is lost',
    'sizes --frame 80 --body 51200 --loss 5',
    [
      number('--frame <bytes>', 'of a frame that are there for CoAP', 1, 1e6, 80),
      number('--message <bytes>', 'of header, token and options', 0, 1e4, 16),
      number('--protection <bytes>', 'that DTLS or OSCORE add', 0, 1e4, dtlsBytes()),
      number('--body <bytes>', 'of what is transferred', 0, 1e12, 51_200),
      number('--loss <percent>', 'of frames that are lost', 0, 100, 5),
      number('--baud <n>', 'of a serial line', 1, 1e9),
    ],
    sizes,
  );
  add(
    'protection',
    'the bytes that DTLS and OSCORE add to a message',
    'protection --sender-id 3 --sequence 256',
    protectionOptions,
    protection,
  );
  add(
    'delivery',
    'what arrives, Confirmable or not',
    'delivery --loss 10',
    [number('--loss <percent>', 'that is lost one way', 0, 100, 10)],
    delivery,
  );
  add(
    'fleet',
    'what many devices come to in a day',
    'fleet --devices 200 --interval 30',
    [
      number('--devices <n>', 'how many', 1, 1e9, 200),
      number('--interval <s>', 'between two reports', 0.001, 1e9, 30),
      number('--overhead <bytes>', 'of protection in each message', 0, 1e4, dtlsBytes()),
      number('--handshake-bytes <n>', 'of a handshake', 0, 1e6, 360),
    ],
    fleet,
  );
  add(
    'observe',
    'what observing saves over asking again and again',
    'observe --seconds 60 --period 30 --changes 2',
    [
      number('--seconds <n>', 'how long', 1, 1e9, 60),
      number('--period <s>', 'between two questions', 0.001, 1e9, 30),
      number('--changes <n>', 'in that time', 0, 1e9, 2),
      new Option('--non', 'notifications are Non-confirmable'),
    ],
    observe,
  );
  return calculate;
}

async function handshake({
  messages,
  write,
}: {
  readonly messages: number;
  readonly write?: string;
}): Promise<Finding> {
  const presets = handshakePresets.map((preset) => ({ ...preset, cost: radioCost(preset.radio, preset) }));
  const [{ radio }] = handshakePresets as [(typeof handshakePresets)[0]];
  const file = write === undefined ? undefined : new CaptureFile(write);
  const measured = await measuredHandshake(file && ((captured) => file.datagram(captured)));
  file?.close();
  const own = radioCost(radio, measured);
  const rows = presets.map(({ name, printed, reason, cost }) => [
    ...[name, printed, `${figure(cost.milliampSeconds, 4)} mAs`, `${figure(cost.microampHours, 4)} µAh`],
    ...[`${figure(cost.millijoules, 2)} mJ`, reason],
  ]);
  return {
    value: { presets, own: { ...measured, cost: own }, messages },
    lines: [
      ...table([
        ['handshake', 'as printed', 'charge', '', 'energy at 3.3 V', 'what is right about it'],
        ...rows,
        [
          ...[
            `made here: ${measured.sentBytes} + ${measured.receivedBytes} bytes`,
            '',
            `${figure(own.milliampSeconds, 4)} mAs`,
          ],
          ...[
            `${figure(own.microampHours, 4)} µAh`,
            `${figure(own.millijoules, 2)} mJ`,
            `${measured.datagrams} datagrams with a cookie, by the radio of the first line`,
          ],
        ],
      ]),
      ...presets.map(
        ({ name, cost }) =>
          `over ${messages} messages: ${figure(cost.milliampSeconds / messages, 7)} mAs each (${name})`,
      ),
    ],
  };
}

function battery(options: {
  readonly capacity: number;
  readonly volts: number;
  readonly sleep: number;
  readonly wake: number;
  readonly handshake: number;
  readonly message: number;
  readonly perDay: number;
  readonly selfDischarge: number;
  readonly policy: BatteryInputs['handshakes'];
  readonly presets?: true;
}): Finding {
  if (options.presets === true) {
    const all = sleepPresets.map(({ approach }) => sleepFigures(approach));
    return {
      value: { presets: all },
      lines: table([
        [
          'approach',
          'printed',
          'mJ a day',
          'years with mJ',
          'months with J',
          'printed means',
          'why they differ',
        ],
        ...all.map(({ preset, millijoulesPerDay, years, monthsInJoules, impliedMicroamps }) => [
          ...[preset.title, `${preset.printedMonths} months`],
          ...[millijoulesPerDay, years, monthsInJoules].map((value) =>
            value === undefined ? '' : figure(value),
          ),
          ...[`${figure(impliedMicroamps, 0)} µA`, preset.reason],
        ]),
      ]),
    };
  }
  const life = batteryLife({
    capacityMilliampHours: options.capacity,
    volts: options.volts,
    sleepMicroamps: options.sleep,
    wakeMillijoules: options.wake,
    handshakeMillijoules: options.handshake,
    messageMillijoules: options.message,
    messagesPerDay: options.perDay,
    handshakes: options.policy,
    selfDischargePerYear: options.selfDischarge / 100,
  });
  return {
    value: life,
    lines: [
      `${figure(life.capacityJoules, 0)} J, ${figure(life.millijoulesPerDay)} mJ a day: ${figure(life.months)} months (${figure(life.months / 12)} years)`,
      `of a day: messages ${figure(life.messagesMillijoulesPerDay)} mJ, sleep ${figure(life.sleepMillijoulesPerDay)} mJ, self-discharge ${figure(life.selfDischargeMillijoulesPerDay)} mJ`,
      `on average ${figure(life.averageMicroamps, 2)} µA`,
    ],
  };
}

function latency(options: { readonly roundTrip: number; readonly cookie: boolean }): Finding {
  const { roundTrip: roundTripMs, cookie } = options;
  const value = securedLatency({ roundTripMs, cookie });
  return {
    value,
    lines: [
      `plain: ${figure(value.plainMs)} ms`,
      `handshake: ${figure(value.handshakeMs)} ms, ${cookie ? 3 : 2} round trips`,
      `first request with it: ${figure(value.firstMs)} ms`,
      `later requests: ${figure(value.laterMs)} ms`,
    ],
  };
}

function retransmission(options: {
  readonly ackTimeout: number;
  readonly randomFactor: number;
  readonly maxRetransmit: number;
  readonly loss: number;
}): Finding {
  const parameters = transmissionParameters({
    ackTimeoutMs: options.ackTimeout * 1000,
    ackRandomFactor: options.randomFactor,
    maxRetransmit: options.maxRetransmit,
  });
  const schedule = retransmissionSchedule(parameters);
  const traffic = amplification(options.loss / 100, parameters);
  const range = ({ shortest, longest }: { readonly shortest: number; readonly longest: number }): string =>
    `${figure(shortest / 1000, 2)}–${figure(longest / 1000, 2)} s`;
  return {
    value: { ...schedule, amplification: traffic },
    lines: [
      ...table([
        ['transmission', 'after the one before', 'after the first'],
        ...schedule.transmissions.map(({ retransmission: n, afterMs, atMs }) => [
          ...[
            n === 0 ? 'first' : `retransmission ${n}`,
            n === 0 ? '' : range(afterMs),
            n === 0 ? '0 s' : range(atMs),
          ],
        ]),
        ['the sender gives up', '', range(schedule.givesUpMs)],
      ]),
      `at ${options.loss} % of loss: ${figure(traffic.requestsLost, 3)} transmissions of a message if only requests get lost, ${figure(traffic.bothLost, 3)} if acknowledgements do too, ${traffic.most} at most`,
    ],
  };
}

function sizes(options: {
  readonly frame: number;
  readonly message: number;
  readonly protection: number;
  readonly body: number;
  readonly loss: number;
  readonly baud?: number;
}): Finding {
  const room = { usableBytes: options.frame, messageBytes: options.message };
  const [plain, secured] = [0, options.protection].map((protectionBytes) =>
    largestBlock({ ...room, protectionBytes }),
  );
  const blocks = blockSizes.map((size) => ({ size, blocks: blockCount(options.body, size) }));
  const cut = fragmentLoss(1024, options.frame, options.loss / 100);
  const serialMs = options.baud === undefined ? undefined : serialTimeMs(options.frame, options.baud);
  return {
    value: { plain, secured, blocks, datagramOf1024: cut, serialMs },
    lines: [
      `the largest block: ${plain ?? 'none'} plain, ${secured ?? 'none'} with ${options.protection} bytes of protection`,
      `${options.body} bytes are ${blocks.map(({ size, blocks: n }) => `${n} blocks of ${size}`).join(', ')}`,
      `1024 bytes in frames of ${options.frame} are ${cut.fragments} fragments, and lost ${figure(100 * cut.lost)} times of 100 where ${options.loss} % of frames are`,
      ...(serialMs === undefined ? [] : [`a frame takes ${figure(serialMs)} ms at ${options.baud} baud`]),
    ],
  };
}

function delivery({ loss }: { readonly loss: number }): Finding {
  const odds = deliveryOdds(loss / 100);
  return {
    value: odds,
    lines: [
      `Non-confirmable: ${figure(100 * odds.nonConfirmableDelivered, 3)} % arrive, with one transmission each`,
      `Confirmable: ${figure(100 * odds.confirmableDelivered, 5)} % arrive, ${figure(100 * odds.confirmableAcknowledged, 4)} % are acknowledged, with ${figure(odds.transmissions, 3)} transmissions each`,
    ],
  };
}

function fleet(options: {
  readonly devices: number;
  readonly interval: number;
  readonly overhead: number;
  readonly handshakeBytes: number;
}): Finding {
  const traffic = fleetTraffic({
    devices: options.devices,
    periodSeconds: options.interval,
    overheadBytes: options.overhead,
    handshakeBytes: options.handshakeBytes,
  });
  return {
    value: traffic,
    lines: [
      `messages: ${figure(traffic.messagesPerDeviceAndDay)} a day of each device, ${figure(traffic.messagesPerDay)} of all, ${figure(traffic.messagesPerSecond, 2)} a second`,
      `protection: ${figure(traffic.overheadBytesPerDeviceAndDay)} bytes a day of each device, ${figure(traffic.overheadBytesPerDay / 1e6)} MB of all`,
      `handshakes of all at once: ${figure(traffic.handshakeBytesAtOnce)} bytes; one a day is ${figure(traffic.handshakeBytesPerMessage, 3)} bytes a message`,
    ],
  };
}

function observe(options: {
  readonly seconds: number;
  readonly period: number;
  readonly changes: number;
  readonly non?: true;
}): Finding {
  const value = observeTraffic({
    seconds: options.seconds,
    pollingPeriodSeconds: options.period,
    changes: options.changes,
    confirmableNotifications: options.non !== true,
  });
  return {
    value,
    lines: [
      `asking every ${options.period} s: ${value.pollingMessages} messages`,
      `observing: ${value.observeMessages} messages`,
      value.savedMessages > 0
        ? `observing saves ${value.savedMessages}`
        : `observing saves nothing: it costs ${-value.savedMessages} more`,
    ],
  };
}

/** An option that is a number, with a fraction too. */
function number(flags: string, description: string, least: number, most: number, usual?: number): Option {
  const option = new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a number of ${least} to ${most}.`);
  });
  return usual === undefined ? option : option.default(usual);
}
