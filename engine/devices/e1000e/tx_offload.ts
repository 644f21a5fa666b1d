// What transmit context descriptors ask for: checksums from a start to a field, and TCP segmentation (82574L datasheet §7.2.4, §7.2.5).
import type { Mem } from '../../base/memory.ts';
import { TXD_TUCMD, TxDescContext } from '../../pci/e1000e_desc.ts';
import { csumBytes, csumFold } from '../../wire/checksum.ts';
import { IpHdr, Ipv6Hdr, TcpHdr } from '../../wire/headers.ts';
import { be16, be32, setBe16, setBe32 } from '../net_flow.ts';

const FIN_PSH = 0x09;
const CWR = 0x80;

/** A queue's context: what the last context descriptor said, and the packet whose descriptors have come so far. */
export class TxContext {
  ipcss = 0;
  ipcso = 0;
  ipcse = 0;
  tucss = 0;
  tucso = 0;
  tucse = 0;
  headerLength = 0;
  mss = 0;
  ipv4 = false;
  tcp = false;
  /** Of the packet at hand. */
  options = 0;
  segment = false;
  bad = false;
  legacyChecksum = false;
  css = 0;
  cso = 0;
  /** VLAN tag to insert, -1 for none. */
  tag = -1;
  length = 0;
  private bytes = new Uint8Array(0);

  load(mem: Mem, at: number): void {
    this.ipcss = TxDescContext.ipcss.get(mem, at);
    this.ipcso = TxDescContext.ipcso.get(mem, at);
    this.ipcse = TxDescContext.ipcse.get(mem, at);
    this.tucss = TxDescContext.tucss.get(mem, at);
    this.tucso = TxDescContext.tucso.get(mem, at);
    this.tucse = TxDescContext.tucse.get(mem, at);
    this.headerLength = TxDescContext.hdr_len.get(mem, at);
    this.mss = TxDescContext.mss.get(mem, at);
    const word = TxDescContext.cmd_and_length.get(mem, at);
    this.ipv4 = (word & TXD_TUCMD.IP) !== 0;
    this.tcp = (word & TXD_TUCMD.TCP) !== 0;
  }

  /** The packet's bytes with room for `length` more behind the first `this.length`. */
  room(length: number): Uint8Array {
    const end = this.length + length;
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    return this.bytes;
  }

  packet(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  endPacket(): void {
    this.options = this.length = this.css = this.cso = 0;
    this.segment = this.bad = this.legacyChecksum = false;
    this.tag = -1;
    // large ones are not worth keeping: most packets are small
    if (this.bytes.length > 2048) this.bytes = new Uint8Array(0);
  }

  reset(): void {
    this.endPacket();
    this.ipcss = this.ipcso = this.ipcse = this.tucss = this.tucso = this.tucse = this.headerLength = this.mss = 0;
    this.ipv4 = this.tcp = false;
  }
}

/** Sums bytes start … end (0: to the packet's end) over what the field holds, and stores the result. False when it lies outside. */
export function insertChecksum(b: Uint8Array, start: number, field: number, end: number): boolean {
  const stop = end === 0 ? b.length : end + 1;
  if (field + 2 > b.length || start >= stop || stop > b.length) return false;
  setBe16(b, field, csumFold(csumBytes(b, start, stop - start)) || 0xffff);
  return true;
}

/** §7.2.4.7: headers repeated before each piece of the payload, with lengths, numbers, flags and sums of their own. undefined: impossible. */
export function segmentPacket(b: Uint8Array, c: TxContext): Uint8Array[] | undefined {
  const { headerLength, mss, ipcss, tucss } = c;
  const l4 = c.tcp ? TcpHdr.$size : 8;
  if (mss === 0 || headerLength > b.length || tucss + l4 > headerLength || ipcss + (c.ipv4 ? IpHdr.$size : Ipv6Hdr.$size) > tucss)
    return undefined;
  const payload = b.length - headerLength;
  const out: Uint8Array[] = [];
  for (let at = 0; at < payload || out.length === 0; at += mss) {
    const n = Math.min(mss, payload - at);
    const s = new Uint8Array(headerLength + n);
    s.set(b.subarray(0, headerLength));
    s.set(b.subarray(headerLength + at, headerLength + at + n), headerLength);
    const last = at + n >= payload;
    if (c.ipv4) {
      setBe16(s, ipcss + IpHdr.tot_len.offset, s.length - ipcss);
      setBe16(s, ipcss + IpHdr.id.offset, (be16(b, ipcss + IpHdr.id.offset) + out.length) & 0xffff);
      setBe16(s, ipcss + IpHdr.check.offset, 0);
      setBe16(s, ipcss + IpHdr.check.offset, csumFold(csumBytes(s, ipcss, tucss - ipcss)));
    } else setBe16(s, ipcss + Ipv6Hdr.payload_len.offset, s.length - ipcss - Ipv6Hdr.$size);
    if (c.tcp) {
      setBe32(s, tucss + TcpHdr.seq.offset, (be32(b, tucss + TcpHdr.seq.offset) + at) >>> 0);
      const flags = tucss + TcpHdr.doff_flags.offset + 1;
      if (!last) s[flags] &= ~FIN_PSH;
      if (at > 0) s[flags] &= ~CWR;
    } else setBe16(s, tucss + 4, s.length - tucss);
    // software left the pseudo-header's sum without the length in the field
    setBe16(s, c.tucso, csumFold(csumBytes(s, tucss, s.length - tucss) + (s.length - tucss)) || 0xffff);
    out.push(s);
  }
  return out;
}
