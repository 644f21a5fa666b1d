// What a virtio-net device offers: QEMU's properties by their names, with their defaults, and what follows from switching one off (virtio-v1.2 §5.1.3).
import { F, type FeatureName, FEATURE_NAMES, FEATURES } from '../virtio/features.ts';

/** QEMU 7.2's virtio-net-pci properties; the last ones are ours (VQ_NOTF_COAL, NOTF_COAL, GUEST_HDRLEN) or of later versions (USO). */
export const NET_PROPERTIES = {
  csum: ['VIRTIO_NET_F_CSUM', true],
  guest_csum: ['VIRTIO_NET_F_GUEST_CSUM', true],
  guest_tso4: ['VIRTIO_NET_F_GUEST_TSO4', true],
  guest_tso6: ['VIRTIO_NET_F_GUEST_TSO6', true],
  guest_ecn: ['VIRTIO_NET_F_GUEST_ECN', true],
  guest_ufo: ['VIRTIO_NET_F_GUEST_UFO', true],
  guest_announce: ['VIRTIO_NET_F_GUEST_ANNOUNCE', true],
  host_tso4: ['VIRTIO_NET_F_HOST_TSO4', true],
  host_tso6: ['VIRTIO_NET_F_HOST_TSO6', true],
  host_ecn: ['VIRTIO_NET_F_HOST_ECN', true],
  host_ufo: ['VIRTIO_NET_F_HOST_UFO', true],
  mrg_rxbuf: ['VIRTIO_NET_F_MRG_RXBUF', true],
  status: ['VIRTIO_NET_F_STATUS', true],
  ctrl_vq: ['VIRTIO_NET_F_CTRL_VQ', true],
  ctrl_rx: ['VIRTIO_NET_F_CTRL_RX', true],
  ctrl_vlan: ['VIRTIO_NET_F_CTRL_VLAN', true],
  ctrl_rx_extra: ['VIRTIO_NET_F_CTRL_RX_EXTRA', true],
  ctrl_mac_addr: ['VIRTIO_NET_F_CTRL_MAC_ADDR', true],
  ctrl_guest_offloads: ['VIRTIO_NET_F_CTRL_GUEST_OFFLOADS', true],
  rss: ['VIRTIO_NET_F_RSS', false],
  hash: ['VIRTIO_NET_F_HASH_REPORT', false],
  failover: ['VIRTIO_NET_F_STANDBY', false],
  guest_uso4: ['VIRTIO_NET_F_GUEST_USO4', false],
  guest_uso6: ['VIRTIO_NET_F_GUEST_USO6', false],
  host_uso: ['VIRTIO_NET_F_HOST_USO', false],
  notf_coal: ['VIRTIO_NET_F_NOTF_COAL', false],
  vq_notf_coal: ['VIRTIO_NET_F_VQ_NOTF_COAL', false],
  guest_hdrlen: ['VIRTIO_NET_F_GUEST_HDRLEN', false],
} as const satisfies Readonly<Record<string, readonly [FeatureName, boolean]>>;
export type NetProperty = keyof typeof NET_PROPERTIES;
export const NET_PROPERTY_NAMES = Object.freeze(Object.keys(NET_PROPERTIES) as NetProperty[]);

/** What a lab may say of a virtio-net device beyond its queues. */
export interface NetOptions {
  /** Only what differs from the defaults. */
  readonly properties?: Readonly<Partial<Record<NetProperty, boolean>>>;
  /** QEMU's host_mtu: with it MTU is offered. */
  readonly hostMtu?: number;
  /** Mbit/s; with it or with `duplex` SPEED_DUPLEX is offered. */
  readonly speed?: number;
  readonly duplex?: 'half' | 'full';
}

/**
 * The features offered. Without one feature go those that need it (virtio-v1.2 §5.1.3.1: a device must not offer a feature without its
 * prerequisites); MQ is there from the second queue pair on.
 */
export function netFeatures(options: NetOptions, queuePairs: number): bigint {
  let word = F.VIRTIO_NET_F_MAC;
  for (const name of NET_PROPERTY_NAMES) {
    const [feature, on] = NET_PROPERTIES[name];
    if (options.properties?.[name] ?? on) word |= F[feature];
  }
  if (queuePairs > 1) word |= F.VIRTIO_NET_F_MQ;
  if (options.hostMtu !== undefined) word |= F.VIRTIO_NET_F_MTU;
  if (options.speed !== undefined || options.duplex !== undefined) word |= F.VIRTIO_NET_F_SPEED_DUPLEX;
  return withoutOrphans(word);
}

/** Drops features whose prerequisites are missing, until all that stay have theirs. */
export function withoutOrphans(word: bigint): bigint {
  const lacks = (name: FeatureName): boolean => {
    const { requires, requiresOneOf } = FEATURES[name];
    const missing = (r: string): boolean => (word & F[r as FeatureName]) === 0n;
    return requires.some(missing) || (requiresOneOf.length > 0 && requiresOneOf.every(missing));
  };
  for (let before = -1n; before !== word;) {
    before = word;
    for (const name of FEATURE_NAMES) if ((word & F[name]) !== 0n && lacks(name)) word &= ~F[name];
  }
  return word;
}
