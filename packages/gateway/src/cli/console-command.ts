/**
 * `coapsule console`: who may use the console of the gateway, and a new one-time link; also while the gateway runs.
 *
 * Passwords are never on the command line, where others see them: they are typed, come on standard input, or are in a file.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { type AuditedChange, ChangeAudit } from '../audit/audit-log.ts';
import type { Role } from '../console/api-types.ts';
import { linkLifetimeMs, newLoginLink } from '../console/login-link.ts';
import { hashedPassword, passwordProblem } from '../console/password.ts';
import { ConsoleTable } from '../store/console-table.ts';
import { openDatabase } from '../store/database.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { addMasterKeyOption, masterKeyOf } from './master-key-option.ts';
import { optionSecret } from './option-content.ts';
import { pathValue } from './option-values.ts';
import { warningsTo } from './warnings.ts';

type Environment = Pick<
  CommandEnvironment,
  'stdout' | 'stderr' | 'variables' | 'readStandardInput' | 'askSecretly' | 'wallTimeMs'
>;

interface FolderOptions {
  readonly data: string;
  readonly masterKey?: string;
}

interface PasswordOptions extends FolderOptions {
  readonly passwordFile?: string;
}

const roles: readonly Role[] = ['view', 'operate', 'admin'];

/** Makes the command with its sub-commands. */
export function consoleCommand(environment: Environment): Command {
  const command = new Command('console');
  const user = command.command('user').description('users with a password');
  const withFolder = (made: Command, example: string): Command =>
    addMasterKeyOption(
      made.option('--data <folder>', "the gateway's data folder", pathValue, './data'),
    ).addHelpText('after', `\nExample:\n  coapsule console ${example}`);
  const withPassword = (made: Command): Command =>
    made
      .argument('<name>', 'what the account is called')
      .option(
        '--password-file <file>',
        'the password; else it is typed, or read from standard input',
        pathValue,
      );

  withFolder(
    withPassword(user.command('add')).description('add somebody with a password'),
    'user add alice --role operate',
  )
    .addOption(
      new Option('--role <role>', 'view: looks; operate: asks devices too; admin: changes devices too')
        .choices([...roles])
        .default('view'),
    )
    .action((name, options) => addUser(environment, name, options));
  withFolder(user.command('list').description('all users with their roles'), 'user list --json')
    .option('--json', 'one JSON array')
    .action((options) => listUsers(environment, options));
  withFolder(
    user
      .command('remove')
      .argument('<name>', 'what the account is called')
      .description('remove somebody, and end the sessions'),
    'user remove alice',
  ).action((name, options) => removeUser(environment, name, options));
  withFolder(
    withPassword(user.command('passwd')).description('give somebody another password, and end the sessions'),
    'user passwd alice',
  ).action((name, options) => changePassword(environment, name, options));
  withFolder(
    command
      .command('link')
      .description('a link that logs somebody in once, as admin')
      .option('--url <url>', 'where the console is reached; by default where the gateway opened it last'),
    'link --url https://gateway.example',
  ).action((options) => makeLink(environment, options));
  return command;
}

async function addUser(
  environment: Environment,
  name: string,
  options: PasswordOptions & { readonly role: Role },
): Promise<void> {
  if (!/^[\p{L}\p{N}._@+-]{1,100}$/u.test(name)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${printable(name)} is no name of a user`,
      'give letters, digits and ._@+-, 100 at most',
    );
  }
  const password = await hashedPassword(await givenPassword(environment, name, options));
  const { role } = options;
  withUsers(
    environment,
    options,
    (users) => {
      if (users.add({ name, role, password, addedAtMs: environment.wallTimeMs() })) return;
      throw new CommandFailure(
        ExitCode.Failure,
        `there is a user ${printable(name)} already`,
        'change the password with "coapsule console user passwd", or remove the user first',
      );
    },
    { event: 'console-user-added', how: 'coapsule console user add', user: name, role },
  );
  environment.stderr.write(`added ${printable(name)} with the role ${role}\n`);
}

function listUsers(environment: Environment, options: FolderOptions & { readonly json?: true }): void {
  const { stdout, stderr } = environment;
  const users = withUsers(environment, options, (table) => table.all());
  if (options.json) {
    const values = users.map(({ name, role, addedAtMs }) => ({
      ...{ name, role, added: new Date(addedAtMs).toISOString() },
    }));
    stdout.write(`${printableJson(values)}\n`);
    return;
  }
  if (users.length === 0) stderr.write('no users yet; add one with: coapsule console user add NAME\n');
  for (const { name, role } of users) stdout.write(`${printable(name)}\t${role}\n`);
}

function removeUser(environment: Environment, name: string, options: FolderOptions): void {
  withUsers(
    environment,
    options,
    (users) => {
      if (!users.remove(name)) throw missingUser(name);
    },
    { event: 'console-user-removed', how: 'coapsule console user remove', user: name },
  );
  environment.stderr.write(`removed ${printable(name)}; sessions end within seconds\n`);
}

async function changePassword(
  environment: Environment,
  name: string,
  options: PasswordOptions,
): Promise<void> {
  // Before somebody types for nothing.
  withUsers(environment, options, (users) => {
    if (users.find(name) === undefined) throw missingUser(name);
  });
  const password = await hashedPassword(await givenPassword(environment, name, options));
  withUsers(
    environment,
    options,
    (users) => {
      if (!users.setPassword(name, password)) throw missingUser(name);
    },
    { event: 'console-password-changed', how: 'coapsule console user passwd', user: name },
  );
  environment.stderr.write(`${printable(name)} has another password; sessions end within seconds\n`);
}

function makeLink(environment: Environment, options: FolderOptions & { readonly url?: string }): void {
  const link = withUsers(
    environment,
    options,
    (users) => newLoginLink(users, baseOf(options.url, users.place), environment.wallTimeMs()),
    { event: 'console-link-made', how: 'coapsule console link' },
  );
  environment.stderr.write(`it counts once, for ${linkLifetimeMs / 60_000} minutes\n`);
  environment.stdout.write(`${link}\n`);
}

function baseOf(url: string | undefined, place: string | undefined): string {
  if (url === undefined) {
    if (place !== undefined) return place;
    throw new CommandFailure(
      ExitCode.Failure,
      'no gateway has opened a console on this data folder yet',
      'start it with "coapsule serve --http 8080", or say where it is with --url',
    );
  }
  if (/^https?:/i.test(url) && URL.canParse(url)) return new URL(url).origin;
  throw new CommandFailure(
    ExitCode.Usage,
    `--url ${printable(url)} is no HTTP URL`,
    'give scheme, host and port, such as https://gateway.example',
  );
}

function missingUser(name: string): CommandFailure {
  return new CommandFailure(
    ExitCode.Failure,
    `there is no user ${printable(name)}`,
    'see "coapsule console user list" (and --data)',
  );
}

async function givenPassword(
  environment: Environment,
  name: string,
  { passwordFile }: PasswordOptions,
): Promise<string> {
  const password =
    optionSecret('--password-file', passwordFile) ??
    (await environment.askSecretly?.(`password of ${printable(name)}: `)) ??
    new TextDecoder().decode(await environment.readStandardInput()).replace(/\r?\n$/, '');
  const problem = passwordProblem(password);
  if (problem === undefined) return password;
  throw new CommandFailure(
    ExitCode.Usage,
    problem,
    'a sentence of some words is easy to remember and to type',
  );
}

function withUsers<T>(
  { stderr, variables, wallTimeMs }: Environment,
  options: FolderOptions,
  work: (users: ConsoleTable) => T,
  change?: AuditedChange,
): T {
  const warn = warningsTo({ stderr });
  const masterKey = masterKeyOf(options, variables);
  // Users may be there before the gateway is started the first time.
  const opened = openDatabase(options.data, { create: true, asGateway: false, masterKey });
  try {
    for (const warning of opened.warnings) warn(warning);
    const result = work(new ConsoleTable(opened.database));
    if (change !== undefined) new ChangeAudit(opened.folder.path, wallTimeMs, warn).add(change);
    return result;
  } finally {
    opened.close();
  }
}
