// pcap files (IETF draft-ietf-opsawg-pcap): written little-endian with microseconds, read in either order and resolution.
import { ByteMem } from '../../base/memory.ts';
import { le16, le32, struct } from '../../base/layout.ts';

export const PcapFileHeader = struct('pcap_file_header', {
  magic: le32('a1b2c3d4: microseconds; a1b23c4d: nanoseconds.'),
  version_major: le16('2.'),
  version_minor: le16('4.'),
  thiszone: le32('Unused, 0.'),
  sigfigs: le32('Unused, 0.'),
  snaplen: le32('No packet in the file is longer.'),
  linktype: le32('LINKTYPE_*.'),
});
export const PcapRecord = struct('pcap_sf_pkthdr', {
  ts_sec: le32('Seconds since the Unix epoch.'),
  ts_frac: le32('Microseconds or nanoseconds.'),
  caplen: le32('Bytes that follow.'),
  len: le32('Bytes of the packet on the wire.'),
});
const MAGIC_MICRO = 0xa1b2c3d4;
const MAGIC_NANO = 0xa1b23c4d;
/** Larger records are taken for damage, as libpcap does. */
const MAXIMUM_SNAPLEN = 262_144;

export const LINKTYPE = { ETHERNET: 1, LINUX_SLL2: 276 } as const;

/** A packet as captured or read. */
export interface Captured {
  /** Seconds since the Unix epoch, and microseconds. */
  readonly seconds: number;
  readonly micros: number;
  /** Length on the wire. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

export function fileHeader(linktype: number, snaplen: number): Uint8Array {
  const m = new ByteMem(new Uint8Array(PcapFileHeader.$size));
  PcapFileHeader.magic.set(m, 0, MAGIC_MICRO);
  PcapFileHeader.version_major.set(m, 0, 2);
  PcapFileHeader.version_minor.set(m, 0, 4);
  PcapFileHeader.snaplen.set(m, 0, snaplen);
  PcapFileHeader.linktype.set(m, 0, linktype);
  return m.bytes;
}

export function record(p: Captured): Uint8Array {
  const m = new ByteMem(new Uint8Array(PcapRecord.$size + p.bytes.length));
  PcapRecord.ts_sec.set(m, 0, p.seconds);
  PcapRecord.ts_frac.set(m, 0, p.micros);
  PcapRecord.caplen.set(m, 0, p.bytes.length);
  PcapRecord.len.set(m, 0, p.length);
  m.bytes.set(p.bytes, PcapRecord.$size);
  return m.bytes;
}

/** A file's packets up to its end, or up to where it is damaged: then with libpcap's words. */
export interface Savefile {
  readonly linktype: number;
  readonly snaplen: number;
  readonly packets: readonly Captured[];
  readonly error: string | undefined;
}

/** What a file holds, or why it is none. */
export function readSavefile(bytes: Uint8Array): Savefile | string {
  if (bytes.length < 4) return `truncated dump file; tried to read 4 file header bytes, only got ${bytes.length}`;
  const little = new ByteMem(bytes);
  const swapped = [MAGIC_MICRO, MAGIC_NANO].includes(little.u32be(0));
  const magic = swapped ? little.u32be(0) : little.u32(0);
  if (magic === 0x0a0d0d0a) return 'pcapng files are not modelled';
  if (magic !== MAGIC_MICRO && magic !== MAGIC_NANO) return 'unknown file format';
  const rest = PcapFileHeader.$size - 4;
  if (bytes.length < PcapFileHeader.$size)
    return `truncated dump file; tried to read ${rest} file header bytes, only got ${bytes.length - 4}`;
  const u32 = (at: number): number => (swapped ? little.u32be(at) : little.u32(at));
  const snaplen = u32(PcapFileHeader.snaplen.offset);
  const packets: Captured[] = [];
  const done = (error?: string): Savefile => ({ linktype: u32(PcapFileHeader.linktype.offset) & 0x3ffffff, snaplen, packets, error });
  for (let at: number = PcapFileHeader.$size; at < bytes.length;) {
    const left = bytes.length - at;
    if (left < PcapRecord.$size) return done(`truncated dump file; tried to read ${PcapRecord.$size} header bytes, only got ${left}`);
    const caplen = u32(at + PcapRecord.caplen.offset);
    if (caplen > Math.max(snaplen, MAXIMUM_SNAPLEN))
      return done(`invalid packet capture length ${caplen}, bigger than maximum of ${MAXIMUM_SNAPLEN}`);
    if (left - PcapRecord.$size < caplen)
      return done(`truncated dump file; tried to read ${caplen} captured bytes, only got ${left - PcapRecord.$size}`);
    const fraction = u32(at + PcapRecord.ts_frac.offset);
    packets.push({
      seconds: u32(at + PcapRecord.ts_sec.offset),
      micros: magic === MAGIC_NANO ? Math.floor(fraction / 1000) : fraction,
      length: u32(at + PcapRecord.len.offset),
      bytes: bytes.subarray(at + PcapRecord.$size, at + PcapRecord.$size + caplen),
    });
    at += PcapRecord.$size + caplen;
  }
  return done();
}
