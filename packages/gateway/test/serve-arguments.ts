/** How tests start `coapsule serve`: several run at a time, and the usual port of HTTP is one for all. */

/** The arguments of a command; a gateway of which nothing is said about HTTP has none. */
export function serveArguments(args: readonly string[]): readonly string[] {
  const isServed = args[0] === 'serve' && !args.includes('--http') && !args.includes('--config');
  return isServed ? [...args, '--http', 'off'] : args;
}
