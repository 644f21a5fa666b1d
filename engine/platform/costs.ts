// What kernel work costs on a CPU, in nanoseconds. Defaults are for a 3 GHz server core under virtualisation; a lab file may override any.

/** Each entry: default (ns) and where it comes from. Lab files use the keys. */
export const COST_TABLE = {
  mmio_write: [1_200, 'VM exit and userspace-less ioeventfd doorbell, KVM on Skylake-class hosts: 1–2 µs'],
  mmio_read: [2_000, 'VM exit with emulation in the host: ~2 µs'],
  pio_write: [1_300, 'an OUT always exits: as mmio_write, with the port decoded'],
  pio_read: [2_000, 'an IN exits to the host as mmio_read does'],
  irq_entry: [900, 'posted-interrupt-less injection, entry and EOI'],
  softirq_entry: [80, 'invoke_softirq to handler'],
  context_switch: [1_200, 'wake-up to running, same core'],
  syscall: [150, 'entry and exit with mitigations off'],
  dma_map: [15, 'direct mapping without IOMMU'],
  dma_unmap: [10, 'direct mapping without IOMMU'],
  iommu_map: [220, 'an IOVA from the per-CPU cache and one page-table entry, in addition to dma_map'],
  iommu_unmap: [160, 'the entry cleared and the IOVA queued, in addition to dma_unmap'],
  iotlb_flush: [1_500, 'a domain-selective invalidation, waited for'],
  descriptor: [12, 'one virtqueue descriptor written or reaped, cache-hot'],
  skb_alloc: [60, '__alloc_skb from the per-cpu cache'],
  skb_free: [30, 'napi_consume_skb into the per-cpu cache'],
  copy_per_16_bytes: [1, 'rep movsb at ~16 bytes per ns'],
  csum_per_16_bytes: [2, 'csum_partial at ~8 bytes per ns'],
  qdisc: [45, 'enqueue, dequeue and lock'],
  ip_layer: [120, 'route cache hit, header build or receive path'],
  transport: [120, 'socket look-up, UDP or ICMP handling'],
  gro: [35, 'one packet through dev_gro_receive'],
  neigh: [15, 'neighbour look-up'],
  veth: [60, 'veth_xmit and the backlog enqueue'],
  netlink: [3_000, 'one rtnetlink request'],
  exec: [1_000_000, 'fork, execve and the dynamic linker of a small program, on hardware: ~1 ms'],
  ftrace: [100, 'one traced function entry, while a function tracer is on'],
} as const;

export type CostName = keyof typeof COST_TABLE;
export type Costs = Record<CostName, number>;

export const defaultCosts = (): Costs => Object.fromEntries(Object.entries(COST_TABLE).map(([k, [v]]) => [k, v])) as Costs;
