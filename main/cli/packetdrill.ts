// `ringscope packetdrill FILE.pkt…`: scripts in packetdrill's language against our TCP, in simulated time.
import { readFileSync } from 'node:fs';
import { runPacketdrill } from '../../engine/index.ts';
import { UsageError } from './options.ts';

export function packetdrill(args: readonly string[]): Promise<number> {
  if (args.length === 0) throw new UsageError('packetdrill needs scripts: ringscope packetdrill FILE.pkt…');
  const count = { pass: 0, fail: 0, unsupported: 0 };
  for (const file of args) {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (e) {
      throw new UsageError(`cannot read ${file}: ${e instanceof Error ? e.message : String(e)}`);
    }
    const { verdict, message } = runPacketdrill(text);
    count[verdict]++;
    process.stdout.write(`${verdict.padEnd(11)} ${file}${message === '' ? '' : `: ${message}`}\n`);
  }
  if (args.length > 1)
    process.stdout.write(`${count.pass} passed, ${count.fail} failed, ${count.unsupported} ask for what is not modelled\n`);
  return Promise.resolve(count.fail > 0 || count.unsupported > 0 ? 1 : 0);
}
