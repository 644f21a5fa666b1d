// The block of memory that control commands lie in while the device reads them (Linux: struct control_buf).
import { VirtioNetRssHead, VirtioNetRssTail } from '../../virtio/net.ts';

/** Linux: VIRTIO_NET_RSS_MAX_TABLE_LEN, VIRTIO_NET_RSS_MAX_KEY_SIZE: what the driver has room for. */
const VIRTIO_NET_RSS_MAX_TABLE_LEN = 128;
export const VIRTIO_NET_RSS_MAX_KEY_SIZE = 40;

const RSS = 64;
const RSS_TAIL = RSS + VirtioNetRssHead.$size + 2 * VIRTIO_NET_RSS_MAX_TABLE_LEN;
/** Offsets in the block, and its size. */
export const CTRL = Object.freeze({
  HDR: 0,
  STATUS: 2,
  MQ: 4,
  PROMISC: 6,
  ALLMULTI: 7,
  VID: 8,
  OFFLOADS: 16,
  MAC: 24,
  COAL_TX: 32,
  COAL_RX: 40,
  RSS,
  RSS_TAIL,
  RSS_KEY: RSS_TAIL + VirtioNetRssTail.$size,
  BYTES: 512,
});
