// Reports of ethtool: driver, statistics, time stamping, permanent address, pause.
import { Errno } from '../../base/errno.ts';
import { ToolExit } from '../tool.ts';
import { hardwareAddress } from '../ip/link_print.ts';
import { type EthtoolCommand, type EthtoolContext } from './ethtool_context.ts';

const yesNo = (b: boolean | undefined): string => (b === true ? 'yes' : 'no');

function driver(e: EthtoolContext): number {
  e.noArguments();
  const dev = e.device;
  const i = dev === undefined ? -Errno.ENODEV : e.core.drvinfo(dev);
  if (typeof i === 'number') return e.ioctlError('Cannot get driver information', i, 71);
  e.print(
    `driver: ${i.driver}\nversion: ${i.version}\nfirmware-version: ${i.fw_version}\nexpansion-rom-version: ${i.erom_version ?? ''}\nbus-info: ${i.bus_info}\n` +
      `supports-statistics: ${yesNo(i.supports_statistics)}\nsupports-test: ${yesNo(i.supports_test)}\nsupports-eeprom-access: ${yesNo(i.supports_eeprom_access)}\n` +
      `supports-register-dump: ${yesNo(i.supports_register_dump)}\nsupports-priv-flags: ${yesNo(i.supports_priv_flags)}\n`,
  );
  return 0;
}

/** Groups of standard statistics. No driver here counts any. */
const STAT_GROUPS: readonly string[] = ['eth-phy', 'eth-mac', 'eth-ctrl', 'rmon'];

function standardStatistics(e: EthtoolContext): number {
  const [word, ...names] = e.args;
  if (word !== '--all-groups' && word !== '--groups') throw new ToolExit(1, `ethtool (-S): unknown parameter '${word}'\n`);
  if (word === '--groups' && names.length === 0) throw new ToolExit(1, "ethtool (-S): no value for parameter '--groups'\n");
  const groups = word === '--all-groups' ? STAT_GROUPS : STAT_GROUPS.filter((g) => names.includes(g));
  const dev = e.netlinkDevice();
  const unknown = names.findIndex((n) => !STAT_GROUPS.includes(n));
  // each name before it is an attribute in a nest of its own
  const before = names.slice(0, unknown).reduce((at, n) => at + 4 + Math.ceil((4 + n.length + 1) / 4) * 4, e.attributeOffset(0) + 16);
  if (unknown >= 0) e.netlinkError(Errno.EOPNOTSUPP, 1, 'bit name not found', before);
  if (e.json === undefined) e.print(`Standard stats for ${dev.name}:\n`);
  else {
    e.json.startObject();
    e.json.field('ifname', dev.name);
    for (const g of groups) {
      e.json.startObject(g);
      e.json.endObject();
    }
    e.json.endObject();
  }
  return 0;
}

function statistics(e: EthtoolContext): number {
  if (e.args.length > 0) return standardStatistics(e);
  const dev = e.device;
  if (dev === undefined) return e.ioctlError('Cannot get stats strings information', Errno.ENODEV, 96);
  const s = e.core.stats(dev);
  if (typeof s === 'number' || s.length === 0) throw new ToolExit(94, 'no stats available\n');
  e.print(`NIC statistics:\n${s.map(([name, value]) => `     ${name}: ${value}\n`).join('')}`);
  return 0;
}

/** PHY statistics: no device here has a PHY of its own. */
function phyStatistics(e: EthtoolContext): number {
  if (e.device === undefined) return e.ioctlError('Cannot get stats strings information', Errno.ENODEV, 96);
  throw new ToolExit(94, 'no stats available\n');
}

/** In the order of SOF_TIMESTAMPING_* bits. */
const STAMPS: readonly string[] = [
  'hardware-transmit',
  'software-transmit',
  'hardware-receive',
  'software-receive',
  'software-system-clock',
  'hardware-legacy-clock',
  'hardware-raw-clock',
];

function timeStamping(e: EthtoolContext): number {
  e.noMoreArguments();
  const dev = e.netlinkDevice();
  const caps = e.value<readonly string[]>(e.core.tsInfo(dev));
  const lines = STAMPS.filter((s) => caps.includes(s)).map((s) => `\t${s}\n`);
  const hardware = dev.ethtool_ops?.get_ts_hardware?.(dev);
  const modes = (names: readonly string[] | undefined): string =>
    names === undefined ? ' none\n' : `\n${names.map((n) => `\t${n}\n`).join('')}`;
  e.print(
    `Time stamping parameters for ${dev.name}:\nCapabilities:\n${lines.join('')}PTP Hardware Clock: ${hardware?.phc ?? 'none'}\n` +
      `Hardware Transmit Timestamp Modes:${modes(hardware?.tx)}Hardware Receive Filter Modes:${modes(hardware?.rx)}`,
  );
  return 0;
}

function permanentAddress(e: EthtoolContext): number {
  const dev = e.device;
  if (dev === undefined) return e.netlinkError(Errno.ENODEV, 1);
  const a = e.core.permAddr(dev);
  if (e.dumping) {
    if (a.some((b) => b !== 0)) e.print(`Permanent address of ${dev.name}: ${hardwareAddress(a)}\n`);
    return 0;
  }
  e.print(`Permanent address: ${a.every((b) => b === 0) ? 'not set' : hardwareAddress(a)}\n`);
  return 0;
}

function pause(e: EthtoolContext): number {
  e.noMoreArguments();
  if (e.json !== undefined && e.device !== undefined && typeof e.core.pause(e.device) !== 'number') e.json.startObject();
  const dev = e.netlinkDevice();
  const answered = e.core.pause(dev);
  const p = e.value(answered);
  if (e.json !== undefined) {
    e.json.field('ifname', dev.name);
    e.json.field('autonegotiate', p.autoneg);
    e.json.field('rx', p.rx_pause);
    e.json.field('tx', p.tx_pause);
    e.json.endObject();
    return 0;
  }
  const word = (b: boolean): string => (b ? 'on' : 'off');
  e.print(
    `Pause parameters for ${dev.name}:\nAutonegotiate:\t${word(p.autoneg)}\nRX:\t\t${word(p.rx_pause)}\nTX:\t\t${word(p.tx_pause)}\n\n`,
  );
  return 0;
}

export const INFORMATION_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-i', '--driver'], run: driver },
  { opts: ['-S', '--statistics'], json: (args) => args.length > 0, run: statistics },
  { opts: ['--phy-statistics'], run: phyStatistics },
  { opts: ['-T', '--show-time-stamping'], dump: true, run: timeStamping },
  { opts: ['-P', '--show-permaddr'], dump: true, run: permanentAddress },
  { opts: ['-a', '--show-pause'], dump: true, json: true, run: pause },
];
