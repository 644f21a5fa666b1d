// Feature bits. The key is the only spelling: labels, ethtool, inspector, lab file and docs derive from it; prerequisites are data.

export interface FeatureSpec {
  readonly bit: number;
  /** 'virtio-v1.2 §…' */
  readonly section: string;
  /** One sentence for a person. */
  readonly note: string;
  /** Features without which this one must not be offered or accepted. */
  readonly requires: readonly string[];
  /** At least one of these is needed as well (virtio-v1.2 §5.1.3.1 "or" rows). */
  readonly requiresOneOf: readonly string[];
}

const f = (
  bit: number,
  section: string,
  note: string,
  requires: readonly string[] = [],
  requiresOneOf: readonly string[] = [],
): FeatureSpec =>
  Object.freeze({
    bit,
    section: `virtio-v1.2 §${section}`,
    note,
    requires: Object.freeze(requires),
    requiresOneOf: Object.freeze(requiresOneOf),
  });

const TABLE = {
  VIRTIO_NET_F_CSUM: f(0, '5.1.3', 'The device completes partial checksums of packets the driver sends.'),
  VIRTIO_NET_F_GUEST_CSUM: f(1, '5.1.3', 'The driver takes packets with partial checksum.'),
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS: f(2, '5.1.3', 'Receive offloads can be changed at run time.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_MTU: f(3, '5.1.3', 'The device tells the largest MTU.'),
  VIRTIO_NET_F_MAC: f(5, '5.1.3', 'The device has a MAC address.'),
  VIRTIO_NET_F_GSO: f(6, '5.1.3.2', 'Legacy: the device segments any GSO packet.'),
  VIRTIO_NET_F_GUEST_TSO4: f(7, '5.1.3', 'The driver takes TCP/IPv4 packets larger than the MTU.', ['VIRTIO_NET_F_GUEST_CSUM']),
  VIRTIO_NET_F_GUEST_TSO6: f(8, '5.1.3', 'The driver takes TCP/IPv6 packets larger than the MTU.', ['VIRTIO_NET_F_GUEST_CSUM']),
  VIRTIO_NET_F_GUEST_ECN: f(
    9,
    '5.1.3',
    'The driver takes large TCP packets with ECN.',
    [],
    ['VIRTIO_NET_F_GUEST_TSO4', 'VIRTIO_NET_F_GUEST_TSO6'],
  ),
  VIRTIO_NET_F_GUEST_UFO: f(10, '5.1.3', 'The driver takes UDP packets larger than the MTU.', ['VIRTIO_NET_F_GUEST_CSUM']),
  VIRTIO_NET_F_HOST_TSO4: f(11, '5.1.3', 'The device segments TCP/IPv4.', ['VIRTIO_NET_F_CSUM']),
  VIRTIO_NET_F_HOST_TSO6: f(12, '5.1.3', 'The device segments TCP/IPv6.', ['VIRTIO_NET_F_CSUM']),
  VIRTIO_NET_F_HOST_ECN: f(13, '5.1.3', 'The device segments TCP with ECN.', [], ['VIRTIO_NET_F_HOST_TSO4', 'VIRTIO_NET_F_HOST_TSO6']),
  VIRTIO_NET_F_HOST_UFO: f(14, '5.1.3', 'The device fragments UDP/IPv4.', ['VIRTIO_NET_F_CSUM']),
  VIRTIO_NET_F_MRG_RXBUF: f(15, '5.1.3', 'One received packet may fill several buffers.'),
  VIRTIO_NET_F_STATUS: f(16, '5.1.3', 'The configuration has a status field: link up, announce.'),
  VIRTIO_NET_F_CTRL_VQ: f(17, '5.1.3', 'There is a control queue.'),
  VIRTIO_NET_F_CTRL_RX: f(18, '5.1.3', 'Promiscuous and all-multicast mode through the control queue.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_CTRL_VLAN: f(19, '5.1.3', 'VLAN filtering through the control queue.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_CTRL_RX_EXTRA: f(20, '5.1.6.5.1', 'All-unicast, no-multicast, no-unicast and no-broadcast modes.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_GUEST_ANNOUNCE: f(21, '5.1.3', 'The driver announces itself when asked.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_MQ: f(22, '5.1.3', 'Several queue pairs, with automatic receive steering.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_CTRL_MAC_ADDR: f(23, '5.1.3', 'The MAC address can be set through the control queue.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_F_NOTIFY_ON_EMPTY: f(24, '6.3', 'Legacy: the device interrupts when a queue runs empty, whatever is suppressed.'),
  VIRTIO_F_ANY_LAYOUT: f(27, '6.3', 'Legacy: the device takes any descriptor layout.'),
  VIRTIO_F_RING_INDIRECT_DESC: f(28, '6', 'A descriptor may point to a table of descriptors.'),
  VIRTIO_F_RING_EVENT_IDX: f(29, '6', 'Notifications are suppressed by ring position: used_event and avail_event.'),
  VIRTIO_F_VERSION_1: f(32, '6', 'The device follows version 1 of the specification.'),
  VIRTIO_F_ACCESS_PLATFORM: f(33, '6', 'The device uses bus addresses that an IOMMU may translate.'),
  VIRTIO_F_RING_PACKED: f(34, '6', 'Packed virtqueue layout.'),
  VIRTIO_F_IN_ORDER: f(35, '6', 'Buffers are used in the order they were made available.'),
  VIRTIO_F_ORDER_PLATFORM: f(36, '6', 'Memory accesses are ordered as the platform demands.'),
  VIRTIO_F_SR_IOV: f(37, '6', 'The device has virtual functions.'),
  VIRTIO_F_NOTIFICATION_DATA: f(38, '6', 'The driver passes extra data in doorbells.'),
  VIRTIO_F_NOTIF_CONFIG_DATA: f(39, '6', 'The driver uses the value the device gives as its doorbell.'),
  VIRTIO_F_RING_RESET: f(40, '6', 'A single queue can be reset.'),
  // virtio-v1.3 §5.1.3: the only one here that version 1.2 does not have
  VIRTIO_NET_F_VQ_NOTF_COAL: f(52, '5.1.3', 'Notification coalescing per queue.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_NOTF_COAL: f(53, '5.1.3', 'Notification coalescing.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_GUEST_USO4: f(54, '5.1.3', 'The driver takes several UDP/IPv4 datagrams as one packet.', ['VIRTIO_NET_F_GUEST_CSUM']),
  VIRTIO_NET_F_GUEST_USO6: f(55, '5.1.3', 'The driver takes several UDP/IPv6 datagrams as one packet.', ['VIRTIO_NET_F_GUEST_CSUM']),
  VIRTIO_NET_F_HOST_USO: f(56, '5.1.3', 'The device cuts UDP payload into datagrams.', ['VIRTIO_NET_F_CSUM']),
  VIRTIO_NET_F_HASH_REPORT: f(57, '5.1.3', 'The device reports a hash of each packet.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_GUEST_HDRLEN: f(59, '5.1.3', 'The driver gives the exact length of the headers of a packet to be segmented.'),
  VIRTIO_NET_F_RSS: f(60, '5.1.3', 'Receive-side scaling.', ['VIRTIO_NET_F_CTRL_VQ']),
  VIRTIO_NET_F_STANDBY: f(62, '5.1.3', 'The device may stand by for a primary device with the same MAC address.'),
  VIRTIO_NET_F_SPEED_DUPLEX: f(63, '5.1.3', 'The device tells speed and duplex.'),
} as const satisfies Readonly<Record<string, FeatureSpec>>;

export type FeatureName = keyof typeof TABLE;
/** Every feature this world can name, by name, in order of bit. */
export const FEATURES: Readonly<Record<FeatureName, FeatureSpec>> = Object.freeze(TABLE);
export const FEATURE_NAMES = Object.freeze(Object.keys(TABLE) as FeatureName[]);

/** `F.VIRTIO_NET_F_MQ` is the bit as a word: `(features & F.VIRTIO_NET_F_MQ) !== 0n`. */
export const F = Object.freeze(Object.fromEntries(FEATURE_NAMES.map((n) => [n, 1n << BigInt(TABLE[n].bit)]))) as Readonly<
  Record<FeatureName, bigint>
>;

/** The word with these features set. */
export const featureWord = (...names: readonly FeatureName[]): bigint => names.reduce((w, n) => w | F[n], 0n);

/** Names of the set bits, in order of bit; 'bit N' for what the table does not know. */
export function featureList(word: bigint): string[] {
  const out: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((word & (1n << BigInt(bit))) === 0n) continue;
    out.push(FEATURE_NAMES.find((n) => TABLE[n].bit === bit) ?? `bit ${bit}`);
  }
  return out;
}

/** Low (index 0) or high (index 1) 32 bits of a word, as the feature windows show them (virtio-v1.2 §4.1.4.3). */
export const featureHalf = (word: bigint, index: number): number =>
  index === 0 || index === 1 ? Number((word >> BigInt(32 * index)) & 0xffffffffn) : 0;
/** `word` with one 32-bit half replaced. */
export function withFeatureHalf(word: bigint, index: number, half: number): bigint {
  if (index !== 0 && index !== 1) return word;
  const shift = BigInt(32 * index);
  return (word & ~(0xffffffffn << shift)) | (BigInt(half >>> 0) << shift);
}

/** What is wrong with a set of features: each a sentence with the section, in order of bit. Empty when all prerequisites hold. */
export function missingPrerequisites(word: bigint): string[] {
  const has = (name: string): boolean => (word & F[name as FeatureName]) !== 0n;
  const out: string[] = [];
  for (const name of FEATURE_NAMES) {
    if (!has(name)) continue;
    const spec: FeatureSpec = TABLE[name];
    for (const r of spec.requires) if (!has(r)) out.push(`${name} needs ${r} (virtio-v1.2 §5.1.3.1)`);
    if (spec.requiresOneOf.length > 0 && !spec.requiresOneOf.some(has))
      out.push(`${name} needs ${spec.requiresOneOf.join(' or ')} (virtio-v1.2 §5.1.3.1)`);
  }
  return out;
}
