// `ethtool DEV`: link settings, wake-on-LAN, message level, link.
import type { LinkKsettings } from '../../kernel/ethtool/ops.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
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
export const MESSAGE_BITS: readonly string[] = [
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
export const WAKE_LETTERS = 'pumbagsf';

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

export const showSettings: EthtoolCommand = { opts: [], run: show };
