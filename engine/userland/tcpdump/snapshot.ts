// The captured bytes of a packet: reading past their end ends the printing of that packet, nothing else.
import { ByteMem } from '../../base/memory.ts';
import { formatIpv4, formatIpv6, formatMac } from '../../wire/addresses.ts';

/** The bytes ended inside a header. Caught by the printer of the packet. */
export class Truncated extends Error {
  override readonly name = 'Truncated';
}

export class Snapshot extends ByteMem {
  private need(at: number, length: number): void {
    if (at < 0 || at + length > this.bytes.length) throw new Truncated();
  }
  has(at: number, length: number): boolean {
    return at >= 0 && length >= 0 && at + length <= this.bytes.length;
  }
  override u8(at: number): number {
    this.need(at, 1);
    return this.bytes[at];
  }
  override u16be(at: number): number {
    this.need(at, 2);
    return super.u16be(at);
  }
  override u32be(at: number): number {
    this.need(at, 4);
    return super.u32be(at);
  }
  ipv4(at: number): string {
    return formatIpv4(this.u32be(at));
  }
  ipv6(at: number): string {
    this.need(at, 16);
    return formatIpv6(this.bytes, at);
  }
  mac(at: number): string {
    this.need(at, 6);
    return formatMac(this.bytes, at);
  }
  slice(at: number, length: number): Uint8Array {
    this.need(at, length);
    return this.bytes.slice(at, at + length);
  }
}
