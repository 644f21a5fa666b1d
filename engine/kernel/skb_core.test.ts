// skbs: one data area with many owners, fragments, and nothing left behind.
import { describe, expect, it } from 'vitest';
import type { Gpa } from '../base/units.ts';
import { bootKernel } from '../testkit/kernel_fixture.ts';
import { csumFold, csumPartial } from '../wire/checksum.ts';
import type { Kernel } from './kernel.ts';
import { PageFrag } from './page_frag.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, SHARED_INFO_SIZE, type SkBuff } from './skbuff.ts';
import { skb_headlen, skb_headroom, skb_reserve, skb_tailroom } from './skb_inline.ts';
import { SKB_DATA_ALIGN } from './skb_alloc.ts';

/** What must be back where it was. */
const account = (k: Kernel): readonly number[] => [k.skb.live, k.skb.frags.live, k.platform.slab.inUse];

/** A packet of `linear` bytes and fragments of the given sizes; byte i of it is i & 0xff. */
function packet(kernel: Kernel, linear: number, frags: readonly number[] = []): SkBuff {
  const { skb: core, platform } = kernel;
  const skb = core.alloc_skb(linear + 128) as SkBuff;
  skb_reserve(skb, 64);
  const pfrag = new PageFrag();
  let n = 0;
  const at = core.skb_put(skb, linear);
  for (let i = 0; i < linear; i++) platform.ram.setU8(at + i, n++ & 0xff);
  frags.forEach((size, i) => {
    core.frags.skb_page_frag_refill(size, pfrag);
    for (let k = 0; k < size; k++) platform.ram.setU8(pfrag.page + pfrag.offset + k, n++ & 0xff);
    core.frags.get_page(pfrag.page);
    core.skb_add_rx_frag(skb, i, (pfrag.page + pfrag.offset) as Gpa, size, size);
    pfrag.offset += size;
  });
  if (pfrag.page !== 0) core.frags.put_page(pfrag.page);
  return skb;
}
const bytesOf = (kernel: Kernel, skb: SkBuff): number[] => {
  const out = new Uint8Array(skb.len);
  kernel.skb.copyToArray(skb, 0, out, 0, skb.len);
  return [...out];
};
const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => (from + i) & 0xff);

describe('sk_buff', () => {
  it('gives back descriptors, data areas and pages', () => {
    const { kernel } = bootKernel();
    const before = account(kernel);
    const skbs = [packet(kernel, 100), packet(kernel, 2000), packet(kernel, 60, [1000, 3000])];
    expect(account(kernel)[0]).toBe(before[0] + 3);
    for (const skb of skbs) kernel.skb.consume_skb(skb);
    expect(account(kernel)).toEqual(before);
  });

  it('finds a byte after the network header before data, in the linear part and in a fragment', () => {
    const { kernel } = bootKernel();
    const skb = packet(kernel, 34, [1000]);
    skb.network_header = skb.data - skb.head + 14;
    const at = (offset: number): number | undefined => kernel.skb.networkByte(skb, offset);
    expect([at(0), at(19), at(20), at(1019), at(1020)]).toEqual([14, 33, 34, 1033 & 0xff, undefined]);
    kernel.skb.kfree_skb(skb);
  });

  it('keeps the data area of a clone until the last of both is freed', () => {
    const { kernel } = bootKernel();
    const before = account(kernel);
    const a = packet(kernel, 100, [500]);
    const b = kernel.skb.skb_clone(a) as SkBuff;
    expect([b.head, b.parent, b.len, b.cloned, a.cloned]).toEqual([a.head, a.id, 600, true, true]);
    kernel.skb.consume_skb(a);
    expect(bytesOf(kernel, b)).toEqual(count(0, 600));
    kernel.skb.kfree_skb(b);
    expect(account(kernel)).toEqual(before);
  });

  it('pulls bytes from fragments into the linear part, also of a clone, without touching the other', () => {
    const { kernel } = bootKernel();
    const before = account(kernel);
    const a = packet(kernel, 20, [30, 400]);
    const b = kernel.skb.skb_clone(a) as SkBuff;
    expect(kernel.skb.pskb_may_pull(b, 451)).toBe(false);
    expect(kernel.skb.pskb_may_pull(b, 60)).toBe(true);
    expect([skb_headlen(a), skb_headlen(b), kernel.skb.nr_frags(a), kernel.skb.nr_frags(b)]).toEqual([20, 60, 2, 1]);
    expect(bytesOf(kernel, a)).toEqual(count(0, 450));
    expect(bytesOf(kernel, b)).toEqual(count(0, 450));
    kernel.skb.consume_skb(a);
    expect(kernel.skb.skb_linearize(b)).toBe(0);
    expect(bytesOf(kernel, b)).toEqual(count(0, 450));
    kernel.skb.consume_skb(b);
    expect(account(kernel)).toEqual(before);
  });

  it('trims in the linear part and in fragments', () => {
    const { kernel } = bootKernel();
    const before = account(kernel);
    for (const length of [10, 20, 35, 50, 200]) {
      const skb = packet(kernel, 20, [30, 400]);
      expect(kernel.skb.pskb_trim(skb, length)).toBe(0);
      expect(bytesOf(kernel, skb)).toEqual(count(0, length));
      kernel.skb.consume_skb(skb);
    }
    expect(account(kernel)).toEqual(before);
  });

  it('grows headroom and keeps header places', () => {
    const { kernel } = bootKernel();
    const before = account(kernel);
    const skb = packet(kernel, 100, [50]);
    skb.network_header = 70;
    expect(kernel.skb.skb_cow_head(skb, 300)).toBe(0);
    expect(skb_headroom(skb)).toBeGreaterThanOrEqual(300);
    expect(skb.head + skb.network_header - skb.data).toBe(6);
    expect(bytesOf(kernel, skb)).toEqual(count(0, 150));
    kernel.skb.consume_skb(skb);
    expect(account(kernel)).toEqual(before);
  });

  it('sums over odd fragment boundaries as over one run of bytes', () => {
    const { kernel } = bootKernel();
    const split = packet(kernel, 21, [33, 7, 100]);
    const whole = packet(kernel, 161);
    const sum = csumPartial(kernel.platform.ram, whole.data, 161);
    expect(csumFold(kernel.skb.skb_checksum(split, 0, 161, 0))).toBe(csumFold(sum));
    expect(csumFold(kernel.skb.skb_checksum(split, 3, 150, 0))).toBe(csumFold(csumPartial(kernel.platform.ram, whole.data + 3, 150)));
  });

  it('completes a partial checksum so that the whole sums to zero', () => {
    const { kernel } = bootKernel();
    const skb = packet(kernel, 40, [11]);
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.data - skb.head + 8;
    skb.csum_offset = 6;
    kernel.platform.ram.setU16be(skb.data + 14, 0);
    expect(kernel.skb.skb_checksum_help(skb)).toBe(0);
    expect(skb.ip_summed).toBe(CHECKSUM_NONE);
    expect(csumFold(kernel.skb.skb_checksum(skb, 8, 43, 0))).toBe(0);
  });

  it('builds an skb in a page fragment, whose page lives until all its packets are freed', () => {
    const { kernel } = bootKernel();
    const before = kernel.skb.frags.live;
    const size = SKB_DATA_ALIGN(1600) + SKB_DATA_ALIGN(SHARED_INFO_SIZE);
    const skbs = Array.from({ length: 40 }, () => kernel.skb.build_skb(kernel.skb.napi_alloc_frag(size), size) as SkBuff);
    expect(skb_tailroom(skbs[0])).toBe(SKB_DATA_ALIGN(1600));
    expect(kernel.skb.frags.live).toBeGreaterThan(before + 1);
    for (const skb of skbs) kernel.skb.consume_skb(skb);
    // the allocator keeps the page it is carving
    expect(kernel.skb.frags.live).toBe(before + 1);
  });

  it('answers undefined when an allocation is made to fail', () => {
    const { kernel } = bootKernel();
    const before = account(kernel);
    kernel.skb.failAfter = 2;
    const skb = kernel.skb.alloc_skb(100);
    expect(kernel.skb.alloc_skb(100)).toBeUndefined();
    if (skb !== undefined) kernel.skb.consume_skb(skb);
    expect(account(kernel)).toEqual(before);
  });
});
