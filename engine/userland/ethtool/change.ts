// `ethtool -s`: link settings, wake-on-LAN, message level; each kind is a request of its own, in the kernel's order.
import { Errno, strerror } from '../../base/errno.ts';
import type { LinkKsettings } from '../../kernel/ethtool/ops.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { EthtoolCommand, EthtoolContext } from './ethtool_context.ts';
import { MESSAGE_BITS, WAKE_LETTERS } from './settings.ts';

const STATUS = 75;
const PORTS: Readonly<Record<string, number>> = Object.freeze({ tp: 0, aui: 1, bnc: 4, mii: 2, fibre: 3, da: 5 });
const DUPLEX: Readonly<Record<string, number>> = Object.freeze({ half: 0, full: 1 });
const MDIX: Readonly<Record<string, number>> = Object.freeze({ auto: 3, on: 2, off: 1 });
const ON_OFF: Readonly<Record<string, number>> = Object.freeze({ on: 1, off: 0 });
const MASTER_SLAVE = ['preferred-master', 'preferred-slave', 'forced-master', 'forced-slave'];
const SPEED_UNKNOWN = 0xffffffff;

/** A parameter as given; for wol and msglvl the bits, those that change in `mask`. */
interface Setting {
  readonly name: string;
  readonly value: number;
  readonly mask: number;
}

const fail = (text: string): never => {
  throw new ToolExit(1, `ethtool (-s): ${text}\n`);
};

function wakeBits(word: string): number {
  let bits = 0;
  for (const letter of word) {
    const at = WAKE_LETTERS.indexOf(letter);
    if (letter === 'd') bits = 0;
    else if (at < 0) fail(`invalid char '${letter}' in '${word}' for parameter 'wol'`);
    else bits |= 1 << at;
  }
  return bits;
}

/** `N`, `N/MASK`, or names each followed by on or off, up to `--`. Returns how many words it took. */
function messageLevel(args: readonly string[], from: number, into: Setting[]): number {
  const [level, mask] = args[from].split('/').map((w) => parseUnsigned(w));
  if (level !== undefined) {
    into.push({ name: 'msglvl', value: level, mask: mask ?? 0xffffffff });
    return 1;
  }
  let value = 0;
  let changed = 0;
  let i = from;
  for (; i < args.length && args[i] !== '--'; i += 2) {
    const on = ON_OFF[args[i + 1] ?? ''];
    if (on === undefined) fail(`flag '${args[i]}' for parameter 'msglvl' is not followed by 'on' or 'off'`);
    const at = MESSAGE_BITS.indexOf(args[i]);
    if (at < 0) continue;
    changed |= 1 << at;
    if (on === 1) value |= 1 << at;
  }
  into.push({ name: 'msglvl', value, mask: changed });
  return i - from + (args[i] === '--' ? 1 : 0);
}

function parse(args: readonly string[]): Setting[] {
  const out: Setting[] = [];
  for (let i = 0; i < args.length;) {
    const name = args[i++];
    if (
      ![
        'speed',
        'duplex',
        'autoneg',
        'port',
        'mdix',
        'phyad',
        'xcvr',
        'lanes',
        'advertise',
        'wol',
        'sopass',
        'msglvl',
        'master-slave',
      ].includes(name)
    )
      fail(`unknown parameter '${name}'`);
    if (out.some((s) => s.name === name)) fail(`duplicate parameter '${name}'`);
    if (args[i] === undefined) fail(`no value for parameter '${name}'`);
    if (name === 'msglvl') i += messageLevel(args, i, out);
    else out.push({ name, value: valueOf(name, args[i++]), mask: 0xffffffff });
  }
  return out;
}

function valueOf(name: string, word: string): number {
  const oneOf = (table: Readonly<Record<string, number>>): number | undefined => (Object.hasOwn(table, word) ? table[word] : undefined);
  const value = ((): number | undefined => {
    switch (name) {
      case 'duplex':
        return oneOf(DUPLEX);
      case 'autoneg':
        return oneOf(ON_OFF);
      case 'port':
        return oneOf(PORTS);
      case 'mdix':
        return oneOf(MDIX);
      case 'wol':
        return wakeBits(word);
      case 'master-slave':
        return MASTER_SLAVE.includes(word) ? MASTER_SLAVE.indexOf(word) : undefined;
      case 'sopass':
        return /^([0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}$/.test(word) ? 0 : fail(`invalid value '${word}' of parameter 'sopass'`);
      case 'xcvr':
        return fail("deprecated parameter 'xcvr' not supported by kernel");
      case 'advertise':
        return /^(0x)?[0-9a-fA-F]+(\/(0x)?[0-9a-fA-F]+)?$/.test(word)
          ? Number.parseInt(word.replace(/^0x/, ''), 16)
          : fail(`flag '${word}' for parameter 'advertise' is not followed by 'on' or 'off'`);
      default:
        return parseUnsigned(word);
    }
  })();
  return value ?? fail(`invalid value '${word}' for parameter '${name}'`);
}

function set(e: EthtoolContext): number {
  const settings = parse(e.args);
  const dev = e.settableDevice(STATUS);
  const given = (...names: readonly string[]): Setting[] => settings.filter((s) => names.includes(s.name));
  return (
    setLinkModes(e, dev, given('speed', 'duplex', 'autoneg', 'lanes', 'advertise', 'master-slave')) ||
    setLinkInfo(e, dev, given('port', 'mdix', 'phyad')) ||
    setWake(e, dev, given('wol', 'sopass')) ||
    setMessageLevel(e, dev, given('msglvl'))
  );
}

function setLinkModes(e: EthtoolContext, dev: NetDevice, given: readonly Setting[]): number {
  if (given.length === 0) return 0;
  const now = e.core.linkKsettings(dev);
  if (typeof now === 'number') return e.netlinkError(now, STATUS);
  for (const [name, what] of [
    ['master-slave', 'master/slave configuration not supported by device'],
    ['lanes', 'lanes configuration not supported by device'],
  ] as const) {
    const at = given.findIndex((s) => s.name === name);
    if (at >= 0) e.netlinkError(Errno.EOPNOTSUPP, STATUS, what, e.attributeOffset(at));
  }
  const wanted: LinkKsettings = { ...now };
  for (const { name, value } of given) {
    if (name === 'speed') wanted.speed = value === SPEED_UNKNOWN ? -1 : value;
    else if (name === 'duplex') wanted.duplex = value;
    else if (name === 'autoneg') wanted.autoneg = value;
  }
  return applied(e, dev, wanted);
}

function setLinkInfo(e: EthtoolContext, dev: NetDevice, given: readonly Setting[]): number {
  if (given.length === 0) return 0;
  const now = e.core.linkKsettings(dev);
  if (typeof now === 'number') return e.netlinkError(now, STATUS);
  const wanted: LinkKsettings = { ...now };
  for (const { name, value } of given) {
    if (name === 'port') wanted.port = value;
    else if (name === 'phyad') wanted.phy_address = value;
    else wanted.mdix_ctrl = value;
  }
  return applied(e, dev, wanted);
}

function applied(e: EthtoolContext, dev: NetDevice, wanted: LinkKsettings): number {
  const result = e.core.setLinkKsettings(dev, wanted);
  if (result.errno === 0) return 0;
  e.tool.error(result.extack === undefined ? '' : `netlink error: ${result.extack}\n`);
  e.tool.error(`netlink error: ${strerror(result.errno)}\n`);
  return STATUS;
}

function setWake(e: EthtoolContext, dev: NetDevice, given: readonly Setting[]): number {
  if (given.length === 0) return 0;
  const wol = e.core.wol(dev);
  if (typeof wol === 'number') return e.netlinkError(wol, STATUS);
  const bits = given.find((s) => s.name === 'wol')?.value ?? wol.wolopts;
  if ((bits & ~wol.supported) !== 0) e.netlinkError(Errno.EINVAL, STATUS, 'cannot enable unsupported WoL mode', e.attributeOffset(0));
  if (given.some((s) => s.name === 'sopass'))
    e.netlinkError(Errno.EINVAL, STATUS, 'wakeup by SecureOn not supported', e.attributeOffset(0));
  if (bits === wol.wolopts) return 0;
  const err = dev.ethtool_ops?.set_wol?.(dev, bits) ?? -Errno.EOPNOTSUPP;
  return err < 0 ? e.netlinkError(err, STATUS) : 0;
}

function setMessageLevel(e: EthtoolContext, dev: NetDevice, given: readonly Setting[]): number {
  if (given.length === 0) return 0;
  const level = e.core.msglevel(dev);
  if (level < 0 || dev.ethtool_ops?.set_msglevel === undefined) return e.netlinkError(Errno.EOPNOTSUPP, STATUS);
  const [{ value, mask }] = given;
  dev.ethtool_ops.set_msglevel(dev, ((level & ~mask) | (value & mask)) >>> 0);
  return 0;
}

export const CHANGE_COMMANDS: readonly EthtoolCommand[] = [{ opts: ['-s', '--change'], run: set }];
