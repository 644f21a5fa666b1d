// Which received frames the driver wants: MAC and VLAN tables, promiscuous and the other modes (virtio-v1.2 §5.1.6.5.1 to §5.1.6.5.3).
import { formatMac } from '../wire/addresses.ts';
import { ETH_ALEN } from '../wire/headers.ts';

/** QEMU: MAC_TABLE_ENTRIES, unicast and multicast together; more count as "all". */
export const MAC_TABLE_ENTRIES = 64;

/** The filter as QMP's query-rx-filter shows it. */
export interface RxFilterState {
  readonly promiscuous: boolean;
  readonly mainMac: string;
  readonly unicast: 'normal' | 'none' | 'all';
  readonly multicast: 'normal' | 'none' | 'all';
  readonly broadcastAllowed: boolean;
  readonly unicastOverflow: boolean;
  readonly multicastOverflow: boolean;
  readonly unicastTable: readonly string[];
  readonly multicastTable: readonly string[];
  readonly vlanTable: readonly number[];
}

export class RxFilter {
  readonly mac = new Uint8Array(ETH_ALEN);
  promisc = true;
  allmulti = false;
  alluni = false;
  nomulti = false;
  nouni = false;
  nobcast = false;
  private table = new Uint8Array(0);
  /** Unicast entries of the table come first. */
  private unicasts = 0;
  private uniOverflow = false;
  private multiOverflow = false;
  /** One bit per VLAN identifier. */
  private readonly vlans = new Uint32Array(128);

  /** After reset everything is received, for drivers without CTRL_RX (virtio-v1.2 §5.1.6.5.1). */
  reset(mac: Uint8Array): void {
    this.mac.set(mac);
    this.promisc = true;
    this.allmulti = this.alluni = this.nomulti = this.nouni = this.nobcast = false;
    this.setTable(new Uint8Array(0), 0);
    this.vlans.fill(0xffffffff);
  }

  /** virtio-v1.2 §5.1.6.5.3: with CTRL_VLAN nothing tagged passes until its VLAN was added. */
  filterVlans(): void {
    this.vlans.fill(0);
  }

  setVlan(vid: number, pass: boolean): void {
    if (pass) this.vlans[vid >> 5] |= 1 << (vid & 31);
    else this.vlans[vid >> 5] &= ~(1 << (vid & 31));
  }

  /** Addresses of 6 bytes each, `unicasts` unicast ones first. A part that does not fit counts as "all of that kind". */
  setTable(addresses: Uint8Array, unicasts: number): void {
    const total = addresses.length / ETH_ALEN;
    this.uniOverflow = unicasts > MAC_TABLE_ENTRIES;
    this.unicasts = this.uniOverflow ? 0 : unicasts;
    this.multiOverflow = this.unicasts + (total - unicasts) > MAC_TABLE_ENTRIES;
    const from = this.uniOverflow ? unicasts : 0;
    const to = this.multiOverflow ? unicasts : total;
    this.table = addresses.slice(from * ETH_ALEN, Math.max(from, to) * ETH_ALEN);
  }

  accepts(b: Uint8Array, vlan: number): boolean {
    if (this.promisc) return true;
    if (vlan >= 0 && (this.vlans[vlan >> 5] & (1 << (vlan & 31))) === 0) return false;
    if ((b[0] & 1) !== 0) {
      if (b[0] === 0xff && b[1] === 0xff && b[2] === 0xff && b[3] === 0xff && b[4] === 0xff && b[5] === 0xff) return !this.nobcast;
      if (this.nomulti) return false;
      return this.allmulti || this.multiOverflow || this.inTable(b, this.unicasts, this.table.length / ETH_ALEN);
    }
    if (this.nouni) return false;
    return this.alluni || this.uniOverflow || sameMac(b, this.mac, 0) || this.inTable(b, 0, this.unicasts);
  }

  state(): RxFilterState {
    const macs = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, i) => formatMac(this.table, (from + i) * ETH_ALEN));
    const vlanTable: number[] = [];
    for (let vid = 0; vid < 4096; vid++) if ((this.vlans[vid >> 5] & (1 << (vid & 31))) !== 0) vlanTable.push(vid);
    return {
      promiscuous: this.promisc,
      mainMac: formatMac(this.mac),
      unicast: this.nouni ? 'none' : this.alluni ? 'all' : 'normal',
      multicast: this.nomulti ? 'none' : this.allmulti ? 'all' : 'normal',
      broadcastAllowed: !this.nobcast,
      unicastOverflow: this.uniOverflow,
      multicastOverflow: this.multiOverflow,
      unicastTable: macs(0, this.unicasts),
      multicastTable: macs(this.unicasts, this.table.length / ETH_ALEN),
      vlanTable,
    };
  }

  private inTable(b: Uint8Array, from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (sameMac(b, this.table, i * ETH_ALEN)) return true;
    return false;
  }
}

function sameMac(frame: Uint8Array, macs: Uint8Array, at: number): boolean {
  for (let i = 0; i < ETH_ALEN; i++) if (frame[i] !== macs[at + i]) return false;
  return true;
}
