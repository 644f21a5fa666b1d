// `ethtool DEV` and `ethtool -s`: link settings, wake-on-LAN, message level, link.
import { Errno, strerror } from '../../base/errno.ts';
import type { LinkKsettings } from '../../kernel/ethtool/ops.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { parseParameters, type ParameterKind } from './parameters.ts';
import type { EthtoolCommand, EthtoolContext } from './ethtool_context.ts';

const PORTS = new Map<number, string>([
  [0, 'Twisted Pair'],
  [1, 'AUI'],
  [2, 'MII'],
  [3, 'FIBRE'],
  [4, 'BNC'],
  [5, 'Direct Attach Copper'],
  [0xef, 'None'],
  [0xff, 'Other'],
]);
/** Names among supported and advertised modes that are not speeds. */
const PORT_MODES: readonly string[] = ['TP', 'AUI', 'MII', 'FIBRE', 'BNC', 'Backplane'];
const OTHER_MODES: readonly string[] = ['Autoneg', 'Pause', 'Asym_Pause', 'FEC_NONE', 'FEC_RS', 'FEC_BASER', 'FEC_LLRS'];
const MESSAGE_BITS: readonly string[] = [
  'drv',
  'probe',
  'link',
  'timer',
  'ifdown',
  'ifup',
  'rx_err',
  'tx_err',
  'tx_queued',
  'intr',
  'tx_done',
  'rx_status',
  'pktdata',
  'hw',
  'wol',
];
const WAKE_LETTERS = 'pumbagsf';

/** Speeds with the same base on one line. */
function linkModes(label: string, modes: readonly string[]): string {
  const speeds = modes.filter((m) => !PORT_MODES.includes(m) && !OTHER_MODES.includes(m));
  const head = `${label} link modes:`.padEnd(24);
  if (speeds.length === 0) return `\t${head}Not reported\n`;
  const lines: string[][] = [];
  for (const m of speeds) {
    const base = m.split('/')[0];
    const last = lines[lines.length - 1];
    if (last !== undefined && last[0].split('/')[0] === base) last.push(m);
    else lines.push([m]);
  }
  const indent = `\n\t${' '.repeat(head.length)}`;
  return `\t${head}${lines.map((l) => l.join(' ')).join(indent)}\n`;
}

function pauseModes(modes: readonly string[]): string {
  const [symmetric, asymmetric] = [modes.includes('Pause'), modes.includes('Asym_Pause')];
  if (symmetric) return asymmetric ? 'Symmetric Receive-only' : 'Symmetric';
  return asymmetric ? 'Transmit-only' : 'No';
}

function capabilities(label: string, verb: string, modes: readonly string[]): string {
  const fec = modes.filter((m) => m.startsWith('FEC_')).map((m) => m.slice(4));
  return (
    linkModes(label, modes) +
    `\t${label} pause frame use: ${pauseModes(modes)}\n` +
    `\t${verb} auto-negotiation: ${modes.includes('Autoneg') ? 'Yes' : 'No'}\n` +
    `\t${label} FEC modes: ${fec.length === 0 ? 'Not reported' : fec.join('\t ')}\n`
  );
}

function speed(n: number): string {
  return n <= 0 || n === 0xffff || n === 0xffffffff ? 'Unknown!' : `${n}Mb/s`;
}
const duplex = (n: number): string => (n === 0 ? 'Half' : n === 1 ? 'Full' : `Unknown! (${n})`);

function mdix(k: LinkKsettings): string {
  const [status, control] = [k.mdix ?? 0, k.mdix_ctrl ?? 0];
  if (control === 1) return 'off (forced)';
  if (control === 2) return 'on (forced)';
  const word = status === 1 ? 'off' : status === 2 ? 'on' : 'Unknown';
  return control === 3 ? `${word} (auto)` : word;
}

function showKsettings(e: EthtoolContext, k: LinkKsettings): void {
  e.print(`\tSupported ports: [ ${k.supported.filter((m) => PORT_MODES.includes(m)).join(' ')} ]\n`);
  e.print(capabilities('Supported', 'Supports', k.supported));
  e.print(capabilities('Advertised', 'Advertised', k.advertising));
  if (k.lp_advertising.length > 0) e.print(capabilities('Link partner advertised', 'Link partner advertised', k.lp_advertising));
  e.print(`\tSpeed: ${speed(k.speed)}\n\tDuplex: ${duplex(k.duplex)}\n\tAuto-negotiation: ${k.autoneg !== 0 ? 'on' : 'off'}\n`);
  e.print(
    `\tPort: ${PORTS.get(k.port) ?? `Unknown! (${k.port})`}\n\tPHYAD: ${k.phy_address}\n\tTransceiver: ${(k.transceiver ?? 0) === 0 ? 'internal' : 'external'}\n`,
  );
  if (k.port === 0) e.print(`\tMDI-X: ${mdix(k)}\n`);
}

function wakeLetters(bits: number): string {
  const letters = [...WAKE_LETTERS].filter((_, i) => (bits & (1 << i)) !== 0).join('');
  return letters === '' ? 'd' : letters;
}

/** Everything that one device reports; false when it reports nothing. */
function showDevice(e: EthtoolContext, dev: NetDevice): boolean {
  const k = e.core.linkKsettings(dev);
  const wol = e.core.wol(dev);
  const level = e.core.msglevel(dev);
  const link = e.core.link(dev);
  if (typeof k === 'number' && typeof wol === 'number' && level < 0 && link < 0) return false;
  e.print(`Settings for ${dev.name}:\n`);
  if (typeof k !== 'number') showKsettings(e, k);
  if (typeof wol !== 'number') e.print(`\tSupports Wake-on: ${wakeLetters(wol.supported)}\n\tWake-on: ${wakeLetters(wol.wolopts)}\n`);
  if (level >= 0) {
    const words = MESSAGE_BITS.filter((_, i) => (level & (1 << i)) !== 0);
    e.print(
      `        Current message level: 0x${level.toString(16).padStart(8, '0')} (${level})\n                               ${words.join(' ')}\n`,
    );
  }
  if (link >= 0) e.print(`\tLink detected: ${link > 0 ? 'yes' : 'no'}\n`);
  return true;
}

/** Requests that the plain command sends: link modes, link info, wake-on-LAN, message level, link state. */
const PLAIN_REQUESTS = 5;

function show(e: EthtoolContext): number {
  const dev = e.device;
  if (dev === undefined) for (let i = 0; i < PLAIN_REQUESTS; i++) e.missing();
  if (dev !== undefined && showDevice(e, dev)) return 0;
  e.print('No data available\n');
  return 75;
}

const SET_PARAMETERS: Readonly<Record<string, ParameterKind>> = Object.freeze({
  speed: 'u32',
  duplex: 'word',
  autoneg: 'bool',
  port: 'word',
  mdix: 'word',
  phyad: 'u32',
  xcvr: 'word',
  lanes: 'u32',
  advertise: 'word',
  wol: 'word',
  sopass: 'word',
  msglvl: 'u32',
});
const PORT_WORDS: Readonly<Record<string, number>> = Object.freeze({ tp: 0, aui: 1, mii: 2, fibre: 3, bnc: 4, da: 5 });

function set(e: EthtoolContext): number {
  const given = parseParameters('-s', e.args, SET_PARAMETERS);
  const dev = e.settableDevice(75);
  const value = (name: string): string | number | boolean | undefined => given.find((g) => g.name === name)?.value;
  const wake = value('wol');
  const wol = e.core.wol(dev);
  if (typeof wake === 'string' && typeof wol !== 'number') {
    const bits = [...wake].reduce((all, letter) => all | (WAKE_LETTERS.includes(letter) ? 1 << WAKE_LETTERS.indexOf(letter) : 0), 0);
    if ((bits & ~wol.supported) !== 0) e.netlinkError(Errno.EINVAL, 75, 'cannot enable unsupported WoL mode', e.attributeOffset(0));
    if (bits === wol.wolopts) return 0;
  }
  if (['wol', 'sopass', 'msglvl'].some((n) => value(n) !== undefined)) e.netlinkError(Errno.EOPNOTSUPP, 75);
  if (given.length === 0) return 0;
  const now = e.core.linkKsettings(dev);
  if (typeof now === 'number') return e.netlinkError(now, 75);
  const wanted: LinkKsettings = { ...now };
  if (value('speed') !== undefined) wanted.speed = Number(value('speed'));
  const d = value('duplex');
  if (d !== undefined) wanted.duplex = d === 'half' ? 0 : 1;
  if (value('autoneg') !== undefined) wanted.autoneg = value('autoneg') === true ? 1 : 0;
  const port = value('port');
  if (typeof port === 'string') wanted.port = PORT_WORDS[port] ?? 0xff;
  if (value('phyad') !== undefined) wanted.phy_address = Number(value('phyad'));
  const result = e.core.setLinkKsettings(dev, wanted);
  if (result.errno === 0) return 0;
  e.tool.error(result.extack === undefined ? '' : `netlink error: ${result.extack}\n`);
  e.tool.error(`netlink error: ${strerror(result.errno)}\n`);
  return 75;
}

export const showSettings: EthtoolCommand = { opts: [], run: show };
export const SETTING_COMMANDS: readonly EthtoolCommand[] = [{ opts: ['-s', '--change'], run: set }];
