// What ethtool asks of the hardware itself: register and EEPROM dumps, identification, negotiation, pause, private flags.
import { Errno } from '../../base/errno.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { parseParameters, type ParameterKind } from './parameters.ts';
import { decodeE1000 } from './registers_e1000.ts';
import { badArguments, type EthtoolCommand, type EthtoolContext } from './ethtool_context.ts';

/** The driver's name, for tools that ask for it first. */
function driverOf(e: EthtoolContext, status: number): string {
  const dev = e.device;
  const info = dev === undefined ? -Errno.ENODEV : e.core.drvinfo(dev);
  if (typeof info === 'number') return e.ioctlError('Cannot get driver information', info, status);
  return info.driver;
}

/** The device of a privileged ioctl with an operation, or the error it gives. */
function need(e: EthtoolContext, what: string, status: number, has: (dev: NetDevice) => boolean): NetDevice {
  const dev = e.device;
  if (!e.tool.capable) return e.ioctlError(what, Errno.EPERM, status);
  if (dev === undefined) return e.ioctlError(what, Errno.ENODEV, status);
  return has(dev) ? dev : e.ioctlError(what, Errno.EOPNOTSUPP, status);
}

const hexBytes = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ');

/** Lines of 16 bytes with their offsets. */
function dump(bytes: Uint8Array): string {
  let out = 'Offset\t\tValues\n------\t\t------\n';
  for (let at = 0; at < bytes.length; at += 16)
    out += `0x${at.toString(16).padStart(4, '0')}:\t\t${hexBytes(bytes.subarray(at, at + 16))} \n`;
  return out;
}

function registers(e: EthtoolContext): number {
  for (let i = 0; i < e.args.length; i += 2)
    if (!['raw', 'hex', 'file'].includes(e.args[i]) || e.args[i + 1] === undefined) return badArguments();
  const driver = driverOf(e, 72);
  const dev = need(e, 'Cannot get register dump', 74, (d) => d.ethtool_ops?.get_regs !== undefined);
  const { regs } = dev.ethtool_ops!.get_regs!(dev);
  if (driver === 'e1000e') {
    e.print(decodeE1000(regs));
    return 0;
  }
  const bytes = new Uint8Array(4 * regs.length);
  const view = new DataView(bytes.buffer);
  regs.forEach((r, i) => view.setUint32(4 * i, r, true));
  e.print(dump(bytes));
  return 0;
}

const EEPROM_PARAMETERS: Readonly<Record<string, ParameterKind>> = Object.freeze({ offset: 'u32', length: 'u32', raw: 'bool' });

function eeprom(e: EthtoolContext): number {
  const given = wordsOf(e, EEPROM_PARAMETERS);
  const number = (name: string): number | undefined => {
    const value = given.find((g) => g.name === name)?.value;
    return value === undefined ? undefined : Number(value);
  };
  driverOf(e, 74);
  // an offset behind the end makes a length that no memory holds
  const size = e.device?.ethtool_ops?.get_eeprom_len?.(e.device) ?? 0;
  if ((number('offset') ?? 0) > size) return e.ioctlError('Cannot allocate memory for EEPROM data', Errno.ENOMEM, 75);
  const dev = need(e, 'Cannot get EEPROM data', 74, (d) => d.ethtool_ops?.get_eeprom !== undefined);
  const total = dev.ethtool_ops?.get_eeprom_len?.(dev) ?? 0;
  const offset = number('offset') ?? 0;
  const length = Math.min(number('length') ?? total, Math.max(0, total - offset));
  const bytes = dev.ethtool_ops!.get_eeprom!(dev, offset, length);
  if (typeof bytes === 'number') return e.ioctlError('Cannot get EEPROM data', bytes, 74);
  e.print(dump(bytes));
  return 0;
}

/** NAME VALUE pairs of an ioctl command, which tells nothing about what is wrong with them. */
function wordsOf(e: EthtoolContext, known: Readonly<Record<string, ParameterKind>>): ReturnType<typeof parseParameters> {
  try {
    return parseParameters('', e.args, known);
  } catch (error) {
    if (error instanceof ToolExit) return badArguments();
    throw error;
  }
}

const CHANGE_EEPROM: Readonly<Record<string, ParameterKind>> = Object.freeze({ magic: 'u32', offset: 'u32', length: 'u32', value: 'u32' });

/** One byte given as a word, or bytes from standard input, of which there are none here. */
function changeEeprom(e: EthtoolContext): number {
  const given = wordsOf(e, CHANGE_EEPROM);
  const number = (name: string): number | undefined => {
    const value = given.find((g) => g.name === name)?.value;
    return value === undefined ? undefined : Number(value);
  };
  driverOf(e, 74);
  const total = e.device?.ethtool_ops?.get_eeprom_len?.(e.device) ?? 0;
  const [offset, value] = [number('offset') ?? 0, number('value')];
  if (total < offset + (value === undefined ? (number('length') ?? total) : 1)) throw new ToolExit(1, 'offset & length out of bounds\n');
  if (value === undefined) throw new ToolExit(75, 'not enough data from stdin\n');
  const dev = need(e, 'Cannot set EEPROM data', 87, (d) => d.ethtool_ops?.set_eeprom !== undefined);
  const err = dev.ethtool_ops!.set_eeprom!(dev, number('magic') ?? 0, offset, Uint8Array.of(value));
  return err < 0 ? e.ioctlError('Cannot set EEPROM data', err, 87) : 0;
}

function identify(e: EthtoolContext): number {
  if (e.args.length > 1 || (e.args.length === 1 && parseUnsigned(e.args[0]) === undefined)) return badArguments();
  const dev = need(e, 'Cannot identify NIC', 255, (d) => d.ethtool_ops?.set_phys_id !== undefined);
  const err = dev.ethtool_ops!.set_phys_id!(dev);
  return err < 0 ? e.ioctlError('Cannot identify NIC', err, 255) : 0;
}

function negotiate(e: EthtoolContext): number {
  e.noArguments();
  const dev = need(e, 'Cannot restart autonegotiation', 255, (d) => d.ethtool_ops?.nway_reset !== undefined);
  const err = dev.ethtool_ops!.nway_reset!(dev);
  return err < 0 ? e.ioctlError('Cannot restart autonegotiation', err, 255) : 0;
}

const PAUSE_PARAMETERS: Readonly<Record<string, ParameterKind>> = Object.freeze({ autoneg: 'bool', rx: 'bool', tx: 'bool' });

function setPause(e: EthtoolContext): number {
  const given = parseParameters('-A', e.args, PAUSE_PARAMETERS);
  const dev = e.settableDevice(76);
  const value = (name: string, key: string): Record<string, boolean> => {
    const g = given.find((p) => p.name === name);
    return g === undefined ? {} : { [key]: g.value === true };
  };
  const answer = e.core.setPause(dev, { ...value('autoneg', 'autoneg'), ...value('rx', 'rx_pause'), ...value('tx', 'tx_pause') });
  return answer.errno === 0 ? 0 : e.netlinkError(answer.errno, 76, answer.extack);
}

function privateFlags(e: EthtoolContext): number {
  e.noMoreArguments();
  const dev = e.netlinkDevice();
  const flags = dev.ethtool_ops?.get_priv_flags?.(dev);
  if (flags === undefined) return e.netlinkError(Errno.EOPNOTSUPP, 1);
  const width = Math.max(...flags.map(([name]) => name.length));
  e.print(`Private flags for ${dev.name}:\n${flags.map(([name, on]) => `${name.padEnd(width)}: ${on ? 'on' : 'off'}\n`).join('')}`);
  return 0;
}

function setPrivateFlags(e: EthtoolContext): number {
  for (let i = 0; i < e.args.length; i += 2) {
    const value = e.args[i + 1];
    if (value !== 'on' && value !== 'off')
      throw new ToolExit(1, `ethtool (--set-priv-flags): flag '${e.args[i]}' for parameter '(null)' is not followed by 'on' or 'off'\n`);
  }
  e.netlinkDevice();
  return e.netlinkError(Errno.EOPNOTSUPP, 1);
}

export const HARDWARE_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-d', '--register-dump'], run: registers },
  { opts: ['-e', '--eeprom-dump'], run: eeprom },
  { opts: ['-E', '--change-eeprom'], run: changeEeprom },
  { opts: ['-p', '--identify'], run: identify },
  { opts: ['-r', '--negotiate'], run: negotiate },
  { opts: ['-A', '--pause'], run: setPause },
  { opts: ['--show-priv-flags'], run: privateFlags },
  { opts: ['--set-priv-flags'], run: setPrivateFlags },
];
