// Reports of ethtool: driver, statistics, time stamping, flow hashing, permanent address – and what no device here can do.
import { Errno } from '../../base/errno.ts';
import { ToolExit } from '../tool.ts';
import { hardwareAddress } from '../ip/link_print.ts';
import type { EthtoolCommand, EthtoolContext } from './ethtool_context.ts';

const yesNo = (b: boolean | undefined): string => (b === true ? 'yes' : 'no');

function driver(e: EthtoolContext): number {
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

function statistics(e: EthtoolContext): number {
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
  e.print(`Permanent address: ${a.every((b) => b === 0) ? 'not set' : hardwareAddress(a)}\n`);
  return 0;
}

function pause(e: EthtoolContext): number {
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

const HASHES: readonly string[] = ['toeplitz', 'xor', 'crc32'];

function rxHash(e: EthtoolContext): number {
  const dev = e.device;
  const rings = dev?.ethtool_ops?.get_rxrings;
  if (dev === undefined || rings === undefined)
    return e.ioctlError('Cannot get RX ring count', dev === undefined ? Errno.ENODEV : Errno.EOPNOTSUPP, 1);
  e.print(
    `RX flow hash indirection table for ${dev.name} with ${rings(dev)} RX ring(s):\nOperation not supported\nRSS hash key:\nOperation not supported\nRSS hash function:\n`,
  );
  const hfunc = dev.ethtool_ops?.get_rxfh?.(dev).hfunc;
  for (const h of HASHES) e.print(`    ${h}: ${h === hfunc ? 'on' : 'off'}\n`);
  return 0;
}

const FLOWS: Readonly<Record<string, string>> = Object.freeze({
  tcp4: 'TCP over IPV4 flows',
  udp4: 'UDP over IPV4 flows',
  sctp4: 'SCTP over IPV4 flows',
  tcp6: 'TCP over IPV6 flows',
  udp6: 'UDP over IPV6 flows',
  sctp6: 'SCTP over IPV6 flows',
});

function flowHash(e: EthtoolContext, flow: string): number {
  const dev = e.device;
  const fields = dev === undefined ? undefined : dev.ethtool_ops?.get_rx_flow_hash?.(dev, flow);
  if (fields === undefined)
    return e.ioctlError('Cannot get RX network flow hashing options', dev === undefined ? Errno.ENODEV : Errno.EOPNOTSUPP, 1);
  e.print(`${FLOWS[flow] ?? flow} use these fields for computing Hash flow key:\n${fields.length === 0 ? 'None' : fields.join('\n')}\n\n`);
  return 0;
}

function rxClasses(e: EthtoolContext): number {
  if (e.args[0] === 'rx-flow-hash' && e.args[1] !== undefined) return flowHash(e, e.args[1]);
  const dev = e.device;
  const reason = dev === undefined ? 'No such device' : 'Operation not supported';
  const rings = dev?.ethtool_ops?.get_rxrings;
  if (dev === undefined || rings === undefined) e.tool.error(`Cannot get RX rings: ${reason}\n`);
  else e.print(`${rings(dev)} RX rings available\n`);
  throw new ToolExit(1, `rxclass: Cannot get RX class rule count: ${reason}\nRX classification rule retrieval failed\n`);
}

/** -N and -U: flow hashing cannot be chosen without RSS, and no device here classifies. */
function setRxClasses(e: EthtoolContext): number {
  const dev = e.device;
  const reason = dev === undefined ? 'No such device' : 'Operation not supported';
  if (e.args[0] === 'rx-flow-hash') {
    const hashes = dev?.ethtool_ops?.get_rx_flow_hash !== undefined;
    e.tool.error(`Cannot change RX network flow hashing options: ${hashes ? 'Invalid argument' : reason}\n`);
    return 0;
  }
  throw new ToolExit(1, `rxclass: Cannot get RX class rule count: ${reason}\nCannot insert classification rule\n`);
}

function moduleParameters(e: EthtoolContext): number {
  e.print(`Module parameters for ${e.netlinkDevice().name}:\n`);
  return 0;
}

function tunnels(e: EthtoolContext): number {
  e.netlinkDevice();
  return e.netlinkError(Errno.EOPNOTSUPP, 1, 'device does not report tunnel offload info');
}

function reset(e: EthtoolContext): number {
  e.print('ETHTOOL_RESET 0xffffffff\n');
  return e.ioctlError('Cannot issue ETHTOOL_RESET', e.device === undefined ? Errno.ENODEV : Errno.EOPNOTSUPP, 1);
}

/** A netlink request whose operation no device here has. */
const netlinkRefusal = (opts: readonly string[], status: number, json = false): EthtoolCommand => ({
  opts,
  json,
  run(e): number {
    e.netlinkDevice(status);
    return e.netlinkError(Errno.EOPNOTSUPP, status);
  },
});
/** An ioctl whose operation no device here has; `needsDriver`: the tool asks for the driver first. */
const ioctlRefusal = (opts: readonly string[], what: string, status: number, needsDriver?: number): EthtoolCommand => ({
  opts,
  run(e): number {
    const dev = e.device;
    if (needsDriver !== undefined) {
      const info = dev === undefined ? -Errno.ENODEV : e.core.drvinfo(dev);
      if (typeof info === 'number') return e.ioctlError('Cannot get driver information', info, needsDriver);
    }
    return e.ioctlError(what, !e.tool.capable ? Errno.EPERM : dev === undefined ? Errno.ENODEV : Errno.EOPNOTSUPP, status);
  },
});

export const INFORMATION_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-i', '--driver'], run: driver },
  { opts: ['-S', '--statistics'], run: statistics },
  { opts: ['--phy-statistics'], run: phyStatistics },
  { opts: ['-T', '--show-time-stamping'], run: timeStamping },
  { opts: ['-P', '--show-permaddr'], run: permanentAddress },
  { opts: ['-a', '--show-pause'], json: true, run: pause },
  { opts: ['-x', '--show-rxfh-indir', '--show-rxfh'], run: rxHash },
  { opts: ['-n', '-u', '--show-nfc', '--show-ntuple'], run: rxClasses },
  { opts: ['-N', '-U', '--config-nfc', '--config-ntuple'], run: setRxClasses },
  { opts: ['--show-module'], run: moduleParameters },
  { opts: ['--show-tunnels'], run: tunnels },
  { opts: ['--reset'], run: reset },
  netlinkRefusal(['-m', '--dump-module-eeprom', '--module-info'], 1),
  netlinkRefusal(['--show-eee'], 1),
  netlinkRefusal(['--set-eee'], 76),
  netlinkRefusal(['--show-fec'], 1, true),
  netlinkRefusal(['--set-priv-flags'], 1),
  ioctlRefusal(['-w', '--get-dump'], 'Can not get dump level', 1),
  ioctlRefusal(['-W', '--set-dump'], 'Can not set dump level', 1),
  ioctlRefusal(['-t', '--test'], 'Cannot test', 74),
  ioctlRefusal(['-X', '--set-rxfh-indir', '--rxfh'], 'Cannot set RX flow hash configuration', 1),
];
