/** Preloaded into every test process: notes its largest resident set (KiB) when it ends. */
import { appendFileSync } from 'node:fs';

const file = process.env.COAPSULE_TEST_MEMORY;
if (file !== undefined) {
  process.on('exit', () => appendFileSync(file, `${process.resourceUsage().maxRSS}\n`));
}
