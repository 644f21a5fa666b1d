// ethtool(8): options before the command, the table of commands.
import { JsonWriter } from '../iproute/json_writer.ts';
import { runTool, type Tool, type ToolContext, ToolExit } from '../tool.ts';
import { parseUnsigned } from '../iproute/args.ts';
import { badArguments, type EthtoolCommand, EthtoolContext } from './ethtool_context.ts';
import { FEATURE_COMMANDS } from './features.ts';
import { HARDWARE_COMMANDS } from './hardware.ts';
import { INFORMATION_COMMANDS } from './information.ts';
import { QUEUE_COMMANDS } from './queues.ts';
import { REFUSAL_COMMANDS } from './refusals.ts';
import { RXCLASS_COMMANDS } from './rxclass.ts';
import { RXFH_COMMANDS } from './rxfh.ts';
import { CHANGE_COMMANDS } from './change.ts';
import { showSettings } from './settings.ts';

const COMMANDS: readonly EthtoolCommand[] = [
  ...CHANGE_COMMANDS,
  ...INFORMATION_COMMANDS,
  ...HARDWARE_COMMANDS,
  ...FEATURE_COMMANDS,
  ...QUEUE_COMMANDS,
  ...RXFH_COMMANDS,
  ...RXCLASS_COMMANDS,
  ...REFUSAL_COMMANDS,
];
/** Commands of ethtool 6.1 that take a device and are not built. */
const NOT_MODELLED: readonly string[] = ['--monitor'];
/** Commands that go by ioctl, which knows no wildcard and no long names. */
const BY_IOCTL: readonly string[] = [
  '-i',
  '--driver',
  '-d',
  '--register-dump',
  '-e',
  '--eeprom-dump',
  '-x',
  '--show-rxfh',
  '-n',
  '--show-nfc',
];
const IFNAMSIZ = 16;

const usage = (): never => {
  throw new ToolExit(
    0,
    'Usage:\n        ethtool [ --json ] DEVNAME\n        ethtool -i|-S|-k|-g|-l|-c|-a|-x|-n|-T|-P|-d|-e|-m DEVNAME\n        ethtool -s|-K|-G|-L|-C DEVNAME PARAMETER VALUE ...\n        ethtool --version\n',
  );
};

function runCommand(command: EthtoolCommand, e: EthtoolContext): number {
  if (e.json === undefined) return command.run(e);
  e.json.startArray();
  const status = runTool({ run: () => command.run(e) }, e.tool);
  e.json.endArray();
  e.print(`${e.json.take()}\n`);
  return status;
}

/** One answer per device that has one. */
function runDump(command: EthtoolCommand, tool: ToolContext, args: readonly string[], json: boolean): number {
  const writer = json ? new JsonWriter(true) : undefined;
  writer?.startArray();
  for (const dev of [...tool.net.devices].sort((a, b) => a.ifindex - b.ifindex)) {
    const e = new EthtoolContext(tool, dev.name, args, writer);
    e.dumping = true;
    try {
      command.run(e);
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error;
    }
  }
  writer?.endArray();
  if (writer !== undefined) tool.print(`${writer.take()}\n`);
  return 0;
}

function run(tool: ToolContext): number {
  let args = tool.argv.slice(1);
  let json = false;
  while (args.length > 0) {
    if (args[0] === '--json') json = true;
    else if (args[0] === '-I' || args[0] === '--include-statistics') json ||= false;
    else if (args[0] === '--debug') {
      args = args.slice(1);
      if (parseUnsigned(args[0] ?? '') === undefined) return badArguments();
    } else break;
    args = args.slice(1);
  }
  if (args.length === 0) return badArguments();
  const word = args[0];
  if (word === '-h' || word === '--help') return usage();
  if (word === '--version') {
    tool.print('ethtool version 6.1\n');
    return 0;
  }
  const named = COMMANDS.find((c) => c.opts.includes(word));
  if (named === undefined && word.startsWith('-') && !NOT_MODELLED.includes(word)) return badArguments();
  const rest = word.startsWith('-') ? args.slice(1) : args;
  if (rest.length === 0) return badArguments();
  if (named === undefined && word.startsWith('-')) throw new ToolExit(1, `ethtool: ${word} is not modelled\n`);
  const command = named ?? showSettings;
  const jsonKnown = typeof command.json === 'function' ? command.json(rest.slice(1)) : command.json === true;
  if (json && !jsonKnown) return badArguments();
  if (BY_IOCTL.includes(word) && (rest[0] === '*' || rest[0].length >= IFNAMSIZ)) {
    const why = rest[0] === '*' ? 'wildcard dump not supported' : 'device name longer than 15 not supported';
    throw new ToolExit(1, `ethtool netlink support for subcommand missing, ${why}\n`);
  }
  if (rest[0] === '*' && command.dump === true) return runDump(command, tool, rest.slice(1), json);
  return runCommand(command, new EthtoolContext(tool, rest[0], rest.slice(1), json ? new JsonWriter(true) : undefined));
}

export const ETHTOOL: Tool = Object.freeze({ run });
