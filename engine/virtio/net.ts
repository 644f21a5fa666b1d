// virtio-net: device configuration, packet header, control queue classes and commands (virtio-v1.2 §5.1).
import { bytes, le16, le32, struct, u8 } from '../base/layout.ts';
import { F } from './features.ts';

/** virtio-v1.2 §5.1.4 struct virtio_net_config */
export const VirtioNetConfig = struct('virtio_net_config', {
  mac: bytes(6, 'MAC address (VIRTIO_NET_F_MAC).'),
  status: le16('VIRTIO_NET_S_* (VIRTIO_NET_F_STATUS).'),
  max_virtqueue_pairs: le16('Queue pairs the device has (VIRTIO_NET_F_MQ).'),
  mtu: le16('Largest MTU (VIRTIO_NET_F_MTU).'),
  speed: le32('Mbit/s, all ones when unknown (VIRTIO_NET_F_SPEED_DUPLEX).'),
  duplex: u8('1 full, 0 half, 0xff unknown.'),
  rss_max_key_size: u8('Longest hash key (RSS).'),
  rss_max_indirection_table_length: le16('Longest indirection table (RSS).'),
  supported_hash_types: le32('Hash types (RSS).'),
});
export const VIRTIO_NET_S = { LINK_UP: 1, ANNOUNCE: 2 } as const;

/** virtio-v1.2 §5.1.6 struct virtio_net_hdr; 12 bytes with VERSION_1 always. */
export const VirtioNetHdr = struct('virtio_net_hdr', {
  flags: u8('VIRTIO_NET_HDR_F_*'),
  gso_type: u8('VIRTIO_NET_HDR_GSO_*'),
  hdr_len: le16('Length of the headers of a packet to be segmented.'),
  gso_size: le16('Payload bytes per segment.'),
  csum_start: le16('Where checksumming starts.'),
  csum_offset: le16('Where the checksum goes, from csum_start.'),
  num_buffers: le16('Receive: buffers this packet fills (MRG_RXBUF).'),
});
/** virtio-v1.2 §5.1.6: what follows virtio_net_hdr when HASH_REPORT is negotiated. */
export const VirtioNetHdrHash = struct('virtio_net_hdr_hash', {
  hash_value: le32('Hash of the received packet.'),
  hash_report: le16('VIRTIO_NET_HASH_REPORT_*: what was hashed.'),
  padding_reserved: le16(),
});
/** Length of the header before every packet: 10 bytes for a legacy driver without mergeable buffers (§5.1.6.1), 20 with a hash. */
export const netHdrLength = (features: bigint): number =>
  (features & F.VIRTIO_NET_F_HASH_REPORT) !== 0n
    ? VirtioNetHdr.$size + VirtioNetHdrHash.$size
    : (features & (F.VIRTIO_F_VERSION_1 | F.VIRTIO_NET_F_MRG_RXBUF)) !== 0n
      ? VirtioNetHdr.$size
      : VirtioNetHdr.num_buffers.offset;
export const VIRTIO_NET_HDR_F = { NEEDS_CSUM: 1, DATA_VALID: 2, RSC_INFO: 4 } as const;
export const VIRTIO_NET_HDR_GSO = { NONE: 0, TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5, ECN: 0x80 } as const;

/** virtio-v1.2 §5.1.6.5 struct virtio_net_ctrl: what precedes the command's data; one ack byte follows it. */
export const VirtioNetCtrl = struct('virtio_net_ctrl', { class: u8('VIRTIO_NET_CTRL_*'), command: u8('Command within the class.') });
export const VIRTIO_NET_OK = 0;
export const VIRTIO_NET_ERR = 1;

export const VIRTIO_NET_CTRL = { RX: 0, MAC: 1, VLAN: 2, ANNOUNCE: 3, MQ: 4, GUEST_OFFLOADS: 5, NOTF_COAL: 6 } as const;
/** virtio-v1.2 §5.1.6.5.1; each carries one byte, 0 or 1. */
export const VIRTIO_NET_CTRL_RX = { PROMISC: 0, ALLMULTI: 1, ALLUNI: 2, NOMULTI: 3, NOUNI: 4, NOBCAST: 5 } as const;
/** virtio-v1.2 §5.1.6.5.2; TABLE_SET carries two virtio_net_ctrl_mac (unicast, multicast), ADDR_SET six bytes. */
export const VIRTIO_NET_CTRL_MAC = { TABLE_SET: 0, ADDR_SET: 1 } as const;
/** virtio-v1.2 §5.1.6.5.2 struct virtio_net_ctrl_mac: a count, then that many addresses. */
export const VirtioNetCtrlMac = struct('virtio_net_ctrl_mac', { entries: le32('How many addresses of six bytes follow.') });
/** virtio-v1.2 §5.1.6.5.3; carries le16 VLAN id. */
export const VIRTIO_NET_CTRL_VLAN = { ADD: 0, DEL: 1 } as const;
/** virtio-v1.2 §5.1.6.5.4 */
export const VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;
/** virtio-v1.2 §5.1.6.5.5; carries le16 queue pairs. */
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN = 1;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX = 0x8000;
/** virtio-v1.2 §5.1.6.5.5.1, §5.1.6.5.5.2: same class as the number of pairs. */
export const VIRTIO_NET_CTRL_MQ_RSS_CONFIG = 1;
export const VIRTIO_NET_CTRL_MQ_HASH_CONFIG = 2;
/** Start of struct virtio_net_rss_config; then the table of le16, then VirtioNetRssTail and the key. */
export const VirtioNetRssHead = struct('virtio_net_rss_config', {
  hash_types: le32('VIRTIO_NET_HASH_TYPE_*'),
  indirection_table_mask: le16('Entries of the table minus one.'),
  unclassified_queue: le16('Receive queue of packets without a hash.'),
});
export const VirtioNetRssTail = struct('virtio_net_rss_config_tail', {
  max_tx_vq: le16('Transmit queues the driver uses.'),
  hash_key_length: u8('Bytes of the key, which follows.'),
});
/** virtio-v1.2 §5.1.6.5.5.2 struct virtio_net_hash_config; the key follows. */
export const VirtioNetHashConfig = struct('virtio_net_hash_config', {
  hash_types: le32('VIRTIO_NET_HASH_TYPE_*'),
  reserved: bytes(8),
  hash_key_length: u8('Bytes of the key, which follows.'),
});
/** virtio-v1.2 §5.1.6.4.3.1 */
export const VIRTIO_NET_HASH_TYPE = {
  IPv4: 1,
  TCPv4: 2,
  UDPv4: 4,
  IPv6: 8,
  TCPv6: 16,
  UDPv6: 32,
  IP_EX: 64,
  TCP_EX: 128,
  UDP_EX: 256,
} as const;
/** virtio-v1.2 §5.1.6.4.4 */
export const VIRTIO_NET_HASH_REPORT = {
  NONE: 0,
  IPv4: 1,
  TCPv4: 2,
  UDPv4: 3,
  IPv6: 4,
  TCPv6: 5,
  UDPv6: 6,
  IPv6_EX: 7,
  TCPv6_EX: 8,
  UDPv6_EX: 9,
} as const;
/** virtio-v1.2 §5.1.6.5.7; VQ_SET and VQ_GET are of version 1.3. */
export const VIRTIO_NET_CTRL_NOTF_COAL = { TX_SET: 0, RX_SET: 1, VQ_SET: 2, VQ_GET: 3 } as const;
export const VirtioNetCtrlCoal = struct('virtio_net_ctrl_coal', {
  max_packets: le32('Packets until the notification at the latest.'),
  max_usecs: le32('Microseconds until the notification at the latest.'),
});
/** virtio-v1.3 §5.1.6.5.7 struct virtio_net_ctrl_coal_vq; VirtioNetCtrlCoal follows. */
export const VirtioNetCtrlCoalVq = struct('virtio_net_ctrl_coal_vq', { vq_index: le16('Virtqueue.'), reserved: le16() });
/** virtio-v1.2 §5.1.6.5.6; carries le64 of the VIRTIO_NET_F_GUEST_* bits that stay on. */
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0;

/** virtio-v1.2 §5.1.2: queue numbers. rx0 tx0 rx1 tx1 … ctrl */
export const rxQueue = (pair: number): number => 2 * pair;
export const txQueue = (pair: number): number => 2 * pair + 1;
/** The control queue follows all pairs the device has with MQ, the first pair without. */
export const ctrlQueue = (maxPairs: number): number => 2 * maxPairs;
