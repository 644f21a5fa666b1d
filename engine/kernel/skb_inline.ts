// The part of Linux's skb API that is inline there: arithmetic on one skb, and so plain functions that no tracer sees.
import { InvariantError } from '../base/ops.ts';
import type { Gpa } from '../base/units.ts';
import type { SkBuff } from './skbuff.ts';

/** Bytes in the linear part. */
export const skb_headlen = (skb: SkBuff): number => skb.len - skb.data_len;
export const skb_headroom = (skb: SkBuff): number => skb.data - skb.head;
/** Room after the linear part; none once there are fragments. */
export const skb_tailroom = (skb: SkBuff): number => (skb.data_len !== 0 ? 0 : skb.end - skb.tail);
export const skb_is_nonlinear = (skb: SkBuff): boolean => skb.data_len !== 0;
export const skb_cloned = (skb: SkBuff): boolean => skb.cloned;
export const skb_shared = (skb: SkBuff): boolean => skb.users !== 1;

/** Headroom for an empty skb. */
export function skb_reserve(skb: SkBuff, length: number): void {
  skb.data = (skb.data + length) as Gpa;
  skb.tail = (skb.tail + length) as Gpa;
}

/** skb_put, skb_push, skb_pull without their checks. They return the place to write at, or the new data. */
export function __skb_put(skb: SkBuff, length: number): Gpa {
  const at = skb.tail;
  skb.tail = (at + length) as Gpa;
  skb.len += length;
  return at;
}
export function __skb_push(skb: SkBuff, length: number): Gpa {
  skb.data = (skb.data - length) as Gpa;
  skb.len += length;
  return skb.data;
}
export function __skb_pull(skb: SkBuff, length: number): Gpa {
  skb.len -= length;
  if (skb.len < skb.data_len) throw new InvariantError('__skb_pull: into the fragments');
  skb.data = (skb.data + length) as Gpa;
  return skb.data;
}

export function skb_reset_mac_header(skb: SkBuff): void {
  skb.mac_header = skb.data - skb.head;
}
export function skb_reset_network_header(skb: SkBuff): void {
  skb.network_header = skb.data - skb.head;
}
export function skb_reset_transport_header(skb: SkBuff): void {
  skb.transport_header = skb.data - skb.head;
}
export function skb_set_network_header(skb: SkBuff, offset: number): void {
  skb.network_header = skb.data - skb.head + offset;
}
export function skb_set_transport_header(skb: SkBuff, offset: number): void {
  skb.transport_header = skb.data - skb.head + offset;
}
export const skb_mac_header_was_set = (skb: SkBuff): boolean => skb.mac_header >= 0;
/** Guest-physical addresses of the headers. */
export const skb_mac_header = (skb: SkBuff): Gpa => (skb.head + skb.mac_header) as Gpa;
export const skb_network_header = (skb: SkBuff): Gpa => (skb.head + skb.network_header) as Gpa;
export const skb_transport_header = (skb: SkBuff): Gpa => (skb.head + skb.transport_header) as Gpa;
/** Offsets from data. */
export const skb_network_offset = (skb: SkBuff): number => skb.head + skb.network_header - skb.data;
export const skb_transport_offset = (skb: SkBuff): number => skb.head + skb.transport_header - skb.data;
export const skb_checksum_start_offset = (skb: SkBuff): number => skb.head + skb.csum_start - skb.data;
