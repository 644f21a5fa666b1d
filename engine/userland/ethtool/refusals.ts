// Commands for what no device here has: their parameters are parsed as ethtool does, then the kernel says no.
import { Errno, strerror } from '../../base/errno.ts';
import { parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { badArguments, type EthtoolCommand, type EthtoolContext } from './ethtool_context.ts';
import { parseParameters, type ParameterKind } from './parameters.ts';

/** Why an ioctl without an operation fails. */
const ioctlErrno = (e: EthtoolContext): number =>
  !e.tool.capable ? Errno.EPERM : e.device === undefined ? Errno.ENODEV : Errno.EOPNOTSUPP;

/** A netlink request whose operation no device here has; `known`: parameters of which one must be there. */
const netlinkRefusal = (
  opts: readonly string[],
  status: number,
  more: {
    readonly json?: boolean;
    readonly known?: Readonly<Record<string, ParameterKind>>;
    readonly optional?: boolean;
    /** What a parameter may be, where it is one of a few words. */
    readonly words?: Readonly<Record<string, readonly string[]>>;
    readonly bare?: boolean;
    readonly extack?: string;
  } = {},
): EthtoolCommand => ({
  opts,
  dump: more.bare === true,
  json: more.json === true,
  run(e): number {
    if (more.known !== undefined) {
      for (const { name, value } of parseParameters(opts[0], e.args, more.known, { required: more.optional !== true })) {
        const words = more.words?.[name];
        if (words !== undefined && !words.includes(String(value)))
          throw new ToolExit(1, `ethtool (${opts[0]}): invalid value '${value}' for parameter '${name}'\n`);
      }
    } else if (more.bare === true) e.noMoreArguments();
    e.netlinkDevice(status);
    return e.netlinkError(Errno.EOPNOTSUPP, status, more.extack, more.extack === undefined ? undefined : e.attributeOffset(0));
  },
});

const MODULE_EEPROM: Readonly<Record<string, ParameterKind>> = Object.freeze({
  raw: 'bool',
  hex: 'bool',
  offset: 'u32',
  length: 'u32',
  page: 'u32',
  bank: 'u32',
  i2c: 'u32',
});

function moduleEeprom(e: EthtoolContext): number {
  const given = parseParameters('-m', e.args, MODULE_EEPROM);
  // the raw bytes come by ioctl
  if (given.some((g) => (g.name === 'raw' || g.name === 'hex') && g.value === true))
    return e.ioctlError('Cannot get module EEPROM information', ioctlErrno(e), 1);
  e.netlinkDevice();
  return e.netlinkError(Errno.EOPNOTSUPP, 1);
}

function moduleParameters(e: EthtoolContext): number {
  e.noMoreArguments();
  const { name } = e.netlinkDevice();
  if (e.json === undefined) e.print(`Module parameters for ${name}:\n`);
  else {
    e.json.startObject();
    e.json.field('ifname', name);
    e.json.endObject();
  }
  return 0;
}

function tunnels(e: EthtoolContext): number {
  e.noMoreArguments();
  e.netlinkDevice();
  return e.netlinkError(Errno.EOPNOTSUPP, 1, 'device does not report tunnel offload info');
}

/** Linux: include/uapi/linux/ethtool.h, ETH_RESET_*; shared components are 16 bits higher. */
const RESET_FLAGS: Readonly<Record<string, number>> = Object.freeze({
  mgmt: 1,
  irq: 2,
  dma: 4,
  filter: 8,
  offload: 16,
  mac: 32,
  phy: 64,
  ram: 128,
  ap: 256,
});

function reset(e: EthtoolContext): number {
  if (e.args.length === 0) return badArguments();
  let flags = 0;
  for (let i = 0; i < e.args.length; i++) {
    const word = e.args[i];
    const shared = word.endsWith('-shared');
    const bit = RESET_FLAGS[shared ? word.slice(0, -'-shared'.length) : word];
    if (word === 'flags') flags |= parseUnsigned(e.args[++i] ?? '') ?? badArguments();
    else if (word === 'all') flags = 0xffffffff;
    else if (word === 'dedicated') flags |= 0xffff;
    else if (bit === undefined) return badArguments();
    else flags |= shared ? bit << 16 : bit;
  }
  e.print(`ETHTOOL_RESET 0x${(flags >>> 0).toString(16)}\n`);
  return e.ioctlError('Cannot issue ETHTOOL_RESET', ioctlErrno(e), 1);
}

function getDump(e: EthtoolContext): number {
  if (e.args.length > 0 && (e.args[0] !== 'data' || e.args.length !== 2)) return badArguments();
  return e.ioctlError('Can not get dump level', ioctlErrno(e), 1);
}

function setDump(e: EthtoolContext): number {
  if (e.args.length !== 1 || parseUnsigned(e.args[0]) === undefined) return badArguments();
  return e.ioctlError('Can not set dump level', ioctlErrno(e), 1);
}

/** The kernel looks for the device and leaves the rest to firmware loading, whose failure only the log tells. */
function flash(e: EthtoolContext): number {
  if (e.args.length === 0 || e.args.length > 2) return badArguments();
  if (e.device !== undefined && e.tool.capable) return 0;
  return e.ioctlError('Flashing failed', ioctlErrno(e), 255);
}

/** Settings of a PHY, with the words of their errors. */
const PHY_TUNABLES: Readonly<Record<string, string>> = Object.freeze({
  downshift: 'PHY downshift count',
  'fast-link-down': 'PHY Fast Link Down value',
  'energy-detect-power-down': 'PHY Energy Detect Power Down value',
});

const phyTunable = (verb: 'Get' | 'Set', values: readonly string[]) =>
  function run(e: EthtoolContext): number {
    const what = Object.hasOwn(PHY_TUNABLES, e.args[0] ?? '') ? PHY_TUNABLES[e.args[0]] : badArguments();
    if (verb === 'Get' ? e.args.length !== 1 : !values.includes(e.args[1] ?? '')) return badArguments();
    // the tool words one of them in two ways
    const said = verb === 'Set' && e.args[0] === 'energy-detect-power-down' ? what.replace(/ value$/, '') : what;
    return e.ioctlError(`Cannot ${verb} ${said}`, ioctlErrno(e), 87);
  };

const TUNABLES: readonly string[] = ['rx-copybreak', 'tx-copybreak', 'tx-buf-size', 'pfc-prevention-tout'];

function getTunable(e: EthtoolContext): number {
  const [name] = e.args;
  if (name === undefined || e.args.some((a) => !TUNABLES.includes(a))) return badArguments();
  throw new ToolExit(255, `${name}: Cannot get tunable\n`);
}

function setTunable(e: EthtoolContext): number {
  const [name, value] = e.args;
  if (name === undefined || !TUNABLES.includes(name) || parseUnsigned(value ?? '') === undefined) return badArguments();
  return e.ioctlError(name, ioctlErrno(e), 255);
}

/** -Q: the number of queues is asked for unless a mask names them; then the sub-command's ioctl per queue fails. */
function perQueue(e: EthtoolContext): number {
  let { args } = e;
  if (args.length === 0) return badArguments();
  if (args[0] === 'queue_mask') {
    if (args.length < 3) return badArguments();
    if (!/^(0x)?[0-9a-fA-F]+$/.test(args[1])) {
      e.print('Invalid queue mask\n');
      return 255;
    }
    args = args.slice(2);
  } else {
    const dev = e.device;
    const channels = dev === undefined ? -Errno.ENODEV : e.core.channels(dev);
    if (typeof channels === 'number') return e.ioctlError('Cannot get number of queues', channels, 242);
    const queues = Math.max(channels.rx_count, channels.tx_count) + channels.combined_count;
    e.print(`The sub commands will be applied to all ${queues} queues\n`);
  }
  if (!['--show-coalesce', '-c', '--coalesce', '-C'].includes(args[0])) return badArguments();
  // the first failure leaves no commands to run, which the second complains about
  const what = 'Cannot get device per queue parameters';
  throw new ToolExit(242, `${what}: ${strerror(ioctlErrno(e))}\n${what}: Invalid argument\n`);
}

export const REFUSAL_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-m', '--dump-module-eeprom', '--module-info'], run: moduleEeprom },
  { opts: ['--show-module'], json: true, run: moduleParameters },
  netlinkRefusal(['--set-module'], 83, {
    known: { 'power-mode-policy': 'word' },
    words: { 'power-mode-policy': ['high', 'auto'] },
    extack: 'Setting power mode policy is not supported by this device',
  }),
  { opts: ['--show-tunnels'], run: tunnels },
  { opts: ['--reset'], run: reset },
  netlinkRefusal(['--show-eee'], 1, { bare: true }),
  netlinkRefusal(['--set-eee'], 76, { known: { eee: 'bool', advertise: 'word', 'tx-lpi': 'bool', 'tx-timer': 'u32' } }),
  netlinkRefusal(['--show-fec'], 1, { json: true, bare: true }),
  netlinkRefusal(['--set-fec'], 83, { known: { encoding: 'word' } }),
  netlinkRefusal(['--cable-test'], 1),
  netlinkRefusal(['--cable-test-tdr'], 1, { known: { first: 'u32', last: 'u32', step: 'u32', pair: 'u32' }, optional: true }),
  { opts: ['-w', '--get-dump'], run: getDump },
  { opts: ['-W', '--set-dump'], run: setDump },
  { opts: ['-f', '--flash'], run: flash },
  { opts: ['--get-phy-tunable'], run: phyTunable('Get', []) },
  { opts: ['--set-phy-tunable'], run: phyTunable('Set', ['on', 'off']) },
  { opts: ['--get-tunable'], run: getTunable },
  { opts: ['--set-tunable'], run: setTunable },
  { opts: ['-Q', '--per-queue'], run: perQueue },
];
