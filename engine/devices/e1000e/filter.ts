// Which received frames an 82574L takes, and to which queue they go (82574L datasheet §7.1.1, §7.1.11).
import { E1000, MRQC, RAH_AV, RCTL } from '../../pci/e1000e_regs.ts';
import { ETH_ALEN, IPPROTO } from '../../wire/headers.ts';
import type { FrameLayout } from '../net_flow.ts';
import type { RegisterFile } from './register_file.ts';

const RECEIVE_ADDRESSES = 16;

/** Exact unicast match, multicast hash, broadcast, the promiscuous modes; then the VLAN table. */
export function accepts(regs: RegisterFile, b: Uint8Array, vlan: number): boolean {
  const rctl = regs.get(E1000.RCTL);
  if ((rctl & RCTL.VFE) !== 0 && vlan >= 0 && (regs.get(E1000.VFTA + 4 * (vlan >> 5)) & (1 << (vlan & 31))) === 0) return false;
  if (isBroadcast(b)) return (rctl & RCTL.BAM) !== 0 || (rctl & RCTL.MPE) !== 0;
  const multicast = (b[0] & 1) !== 0;
  if ((rctl & (multicast ? RCTL.MPE : RCTL.UPE)) !== 0) return true;
  return matchesAddress(regs, b) || (multicast && inMulticastTable(regs, b, rctl));
}

export const isBroadcast = (b: Uint8Array): boolean =>
  b[0] === 0xff && b[1] === 0xff && b[2] === 0xff && b[3] === 0xff && b[4] === 0xff && b[5] === 0xff;

function matchesAddress(regs: RegisterFile, b: Uint8Array): boolean {
  const low = (b[0] | (b[1] << 8) | (b[2] << 16) | (b[3] << 24)) >>> 0;
  const high = b[4] | (b[5] << 8);
  for (let i = 0; i < RECEIVE_ADDRESSES; i++) {
    const rah = regs.get(E1000.RAH + 8 * i);
    if ((rah & RAH_AV) !== 0 && (rah & 0xffff) === high && regs.get(E1000.RA + 8 * i) === low) return true;
  }
  return false;
}

/** §10.2.5.17: 12 bits of the address select a bit; RCTL.MO says which 12. */
function inMulticastTable(regs: RegisterFile, b: Uint8Array, rctl: number): boolean {
  const shift = [4, 3, 2, 0][(rctl >>> RCTL.MO_SHIFT) & 3];
  const hash = ((b[ETH_ALEN - 1] << 8) | b[ETH_ALEN - 2]) >>> shift;
  return (regs.get(E1000.MTA + 4 * ((hash >> 5) & 127)) & (1 << (hash & 31))) !== 0;
}

/** Receive-side scaling of one frame. */
export interface RssResult {
  /** 0 none, 1 TCP/IPv4, 2 IPv4, 3 TCP/IPv6, 5 IPv6 (§7.1.5.2.1). */
  type: number;
  hash: number;
  queue: number;
}

/** §7.1.11.1: the Toeplitz hash of addresses, and of ports for TCP; the redirection table names the queue. */
export function receiveSideScaling(regs: RegisterFile, b: Uint8Array, f: FrameLayout, into: RssResult): void {
  into.type = into.hash = into.queue = 0;
  const mrqc = regs.get(E1000.MRQC);
  if ((mrqc & MRQC.ENABLE) !== MRQC.RSS_QUEUES || f.ip === 0) return;
  const tcp = f.l4 !== 0 && f.protocol === IPPROTO.TCP;
  if (f.ip === 4) into.type = tcp && (mrqc & MRQC.TCP_IPV4) !== 0 ? 1 : (mrqc & MRQC.IPV4) !== 0 ? 2 : 0;
  else into.type = tcp && (mrqc & (MRQC.TCP_IPV6 | MRQC.TCP_IPV6_EX)) !== 0 ? 3 : (mrqc & (MRQC.IPV6 | MRQC.IPV6_EX)) !== 0 ? 5 : 0;
  if (into.type === 0) return;
  const start = f.l3 + (f.ip === 4 ? 12 : 8);
  const addresses = f.ip === 4 ? 8 : 32;
  const ports = into.type === 1 || into.type === 3;
  let hash = 0;
  // a sliding 32-bit window over the key, one bit further for each bit of input
  let window = byteSwap(regs.get(E1000.RSSRK));
  for (let i = 0; i < addresses + (ports ? 4 : 0); i++) {
    const byte = i < addresses ? b[start + i] : b[f.l4 + i - addresses];
    const next = keyByte(regs, i + 4);
    for (let bit = 7; bit >= 0; bit--) {
      if ((byte & (1 << bit)) !== 0) hash ^= window;
      window = (window << 1) | ((next >> bit) & 1);
    }
  }
  into.hash = hash >>> 0;
  // §10.2.5.23: bit 7 of an entry is the queue
  into.queue = (regs.get(E1000.RETA + (hash & 0x7c)) >>> (8 * (hash & 3) + 7)) & 1;
}

const keyByte = (regs: RegisterFile, i: number): number => (i < 40 ? (regs.get(E1000.RSSRK + (i & ~3)) >>> (8 * (i & 3))) & 0xff : 0);
const byteSwap = (w: number): number => (w << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24) | 0;
