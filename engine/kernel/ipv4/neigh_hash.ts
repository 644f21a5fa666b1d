// The order in which a neighbour table is walked: chains of a hash, the newest entry first within one (Linux: arp_hashfn(), ndisc_hashfn()).
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { NeighTable, Neighbour } from './neigh_table.ts';

/** Chains of a table that was never grown: 8. */
const HASH_SHIFT = 3;
function chainOf(n: Neighbour, rnd: Uint32Array): number {
  const b = n.addr;
  let h = 0;
  for (let i = 0; i < b.length; i += 4) {
    let word = b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
    // in place of the device's address in kernel memory
    if (i === 0) word ^= Math.imul(n.dev.ifindex, 0x61c88647);
    h = (h + Math.imul(word, rnd[i >> 2])) | 0;
  }
  return h >>> (32 - HASH_SHIFT);
}

/** A namespace's entries, or only one device's, in the order of dumps. */
export function neighOrder(tbl: NeighTable, net: Net, only?: NetDevice): Neighbour[] {
  const found: { readonly n: Neighbour; readonly chain: number }[] = [];
  for (const [dev, map] of tbl.byDev)
    if (dev.net === net && (only === undefined || only === dev))
      for (const n of map.values()) found.push({ n, chain: chainOf(n, tbl.hashRnd) });
  return found.sort((a, b) => a.chain - b.chain || b.n.order - a.n.order).map((f) => f.n);
}
