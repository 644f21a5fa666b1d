// ethtool operations of virtio-net (Linux: virtnet_ethtool_ops).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Channels, Coalesce, DrvInfo, EthtoolOps, LinkKsettings, RingParam, Rxfh } from '../../kernel/ethtool/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { NAPI_POLL_WEIGHT } from '../../kernel/napi.ts';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import { rssOf } from './virtnet_rss.ts';
import { RQ_STATS, SQ_STATS, virtnetInfo, type VirtnetInfo } from './virtnet_info.ts';

const VIRTNET_DRIVER_VERSION = '1.0.0';
/** Linux: include/uapi/linux/ethtool.h */
const PORT_OTHER = 0xff;
const DUPLEX_UNKNOWN = 0xff;

export class VirtnetEthtool {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['virtnet_coal_params_supported']);
  constructor(readonly kernel: Kernel) {}

  virtnet_get_drvinfo(dev: NetDevice, info: DrvInfo): void {
    info.driver = 'virtio_net';
    info.version = VIRTNET_DRIVER_VERSION;
    info.bus_info = virtnetInfo(dev).vdev.config.busName;
  }

  virtnet_get_ringparam(dev: NetDevice): RingParam {
    const vi = virtnetInfo(dev);
    const { vq: rx } = vi.rq[0];
    const { vq: tx } = vi.sq[0];
    return {
      rx_max_pending: rx.num_max,
      rx_mini_max_pending: 0,
      rx_jumbo_max_pending: 0,
      tx_max_pending: tx.num_max,
      rx_pending: rx.num,
      rx_mini_pending: 0,
      rx_jumbo_pending: 0,
      tx_pending: tx.num,
    };
  }

  virtnet_set_ringparam(dev: NetDevice, ring: RingParam): number {
    const vi = virtnetInfo(dev);
    if (ring.rx_mini_pending !== 0 || ring.rx_jumbo_pending !== 0) return -Errno.EINVAL;
    const { num: rx, num_max: rxMax } = vi.rq[0].vq;
    const { num: tx, num_max: txMax } = vi.sq[0].vq;
    if (ring.rx_pending === rx && ring.tx_pending === tx) return 0;
    if (ring.rx_pending > rxMax || ring.tx_pending > txMax) return -Errno.EINVAL;
    for (let i = 0; i < vi.max_queue_pairs; i++) {
      if (ring.tx_pending !== tx) {
        const err = vi.vqs.virtnet_tx_resize(vi.sq[i], ring.tx_pending);
        if (err < 0) return err;
      }
      if (ring.rx_pending !== rx) {
        const err = vi.vqs.virtnet_rx_resize(vi.rq[i], ring.rx_pending);
        if (err < 0) return err;
      }
    }
    return 0;
  }

  virtnet_get_strings(dev: NetDevice): string[] {
    const { curr_queue_pairs: pairs } = virtnetInfo(dev);
    const out: string[] = [];
    for (let i = 0; i < pairs; i++) for (const k of RQ_STATS) out.push(`rx_queue_${i}_${k}`);
    for (let i = 0; i < pairs; i++) for (const k of SQ_STATS) out.push(`tx_queue_${i}_${k}`);
    return out;
  }

  virtnet_get_sset_count(dev: NetDevice): number {
    return virtnetInfo(dev).curr_queue_pairs * (RQ_STATS.length + SQ_STATS.length);
  }

  virtnet_get_ethtool_stats(dev: NetDevice): number[] {
    const vi = virtnetInfo(dev);
    const out: number[] = [];
    for (let i = 0; i < vi.curr_queue_pairs; i++) for (const k of RQ_STATS) out.push(vi.rq[i].stats[k]);
    for (let i = 0; i < vi.curr_queue_pairs; i++) for (const k of SQ_STATS) out.push(vi.sq[i].stats[k]);
    return out;
  }

  virtnet_get_channels(dev: NetDevice): Channels {
    const vi = virtnetInfo(dev);
    return {
      max_rx: 0,
      max_tx: 0,
      max_other: 0,
      max_combined: vi.max_queue_pairs,
      rx_count: 0,
      tx_count: 0,
      other_count: 0,
      combined_count: vi.curr_queue_pairs,
    };
  }

  virtnet_set_channels(dev: NetDevice, channels: Channels): number {
    const vi = virtnetInfo(dev);
    const pairs = channels.combined_count;
    if (channels.rx_count !== 0 || channels.tx_count !== 0 || channels.other_count !== 0) return -Errno.EINVAL;
    if (pairs > vi.max_queue_pairs || pairs === 0) return -Errno.EINVAL;
    const err = vi.ctrl._virtnet_set_queues(pairs);
    if (err < 0) return err;
    vi.vqs.virtnet_set_affinity();
    this.kernel.net.netif_set_real_num_tx_queues(dev, pairs);
    this.kernel.net.netif_set_real_num_rx_queues(dev, pairs);
    return 0;
  }

  virtnet_get_link_ksettings(dev: NetDevice): LinkKsettings {
    const { speed, duplex } = virtnetInfo(dev);
    return {
      speed,
      duplex,
      port: PORT_OTHER,
      autoneg: 0,
      phy_address: 0,
      transceiver: 0,
      supported: [],
      advertising: [],
      lp_advertising: [],
    };
  }

  /** Only speed and duplex, which the device does not act on, may be set (Linux: ethtool_virtdev_set_link_ksettings()). */
  virtnet_set_link_ksettings(dev: NetDevice, settings: LinkKsettings): number {
    const vi = virtnetInfo(dev);
    const { speed, duplex, port, autoneg, phy_address, mdix_ctrl } = settings;
    const valid = (speed === -1 || (speed >= 0 && speed <= 0x7fffffff)) && (duplex === 0 || duplex === 1 || duplex === DUPLEX_UNKNOWN);
    if (!valid || port !== PORT_OTHER || autoneg !== 0 || phy_address !== 0 || (mdix_ctrl ?? 0) !== 0) return -Errno.EINVAL;
    vi.speed = speed;
    vi.duplex = duplex;
    return 0;
  }

  virtnet_get_coalesce(dev: NetDevice): Coalesce {
    const vi = virtnetInfo(dev);
    if (vi.has('VIRTIO_NET_F_NOTF_COAL'))
      return {
        rx_coalesce_usecs: vi.rx_usecs,
        rx_max_coalesced_frames: vi.rx_max_packets,
        tx_coalesce_usecs: vi.tx_usecs,
        tx_max_coalesced_frames: vi.tx_max_packets,
      };
    return {
      rx_coalesce_usecs: 0,
      rx_max_coalesced_frames: 1,
      tx_coalesce_usecs: 0,
      tx_max_coalesced_frames: vi.sq[0].napi_weight !== 0 ? 1 : 0,
    };
  }

  /** Transmit NAPI can be switched only while the interface is down; without VIRTIO_NET_F_NOTF_COAL there is nothing else. */
  virtnet_set_coalesce(dev: NetDevice, ec: Coalesce): number {
    const vi = virtnetInfo(dev);
    const value = (name: string): number => Number(ec[name] ?? 0);
    const weight = value('tx_max_coalesced_frames') > 0 ? NAPI_POLL_WEIGHT : 0;
    if (vi.sq[0].napi_weight !== weight && (dev.flags & IFF.UP) !== 0) return -Errno.EBUSY;
    const err = vi.has('VIRTIO_NET_F_NOTF_COAL')
      ? vi.ctrl.virtnet_send_notf_coal_cmds(
          { usecs: value('tx_coalesce_usecs'), packets: value('tx_max_coalesced_frames') },
          { usecs: value('rx_coalesce_usecs'), packets: value('rx_max_coalesced_frames') },
        )
      : this.virtnet_coal_params_supported(ec);
    if (err < 0) return err;
    for (const sq of vi.sq) sq.napi_weight = weight;
    return 0;
  }

  virtnet_get_rxfh(dev: NetDevice): Rxfh {
    const { rss, rss_indir_table_size: size } = virtnetInfo(dev);
    return { hfunc: 'toeplitz', indir: Array.from({ length: size }, (_, i) => rss.entry(i)), key: rss.key() };
  }

  virtnet_set_rxfh(dev: NetDevice, { hfunc, indir, key }: Partial<Rxfh>): number {
    const vi = virtnetInfo(dev);
    if (hfunc !== undefined && hfunc !== 'toeplitz') return -Errno.EOPNOTSUPP;
    if (indir !== undefined) {
      if (!vi.has_rss) return -Errno.EOPNOTSUPP;
      for (let i = 0; i < vi.rss_indir_table_size; i++) vi.rss.setEntry(i, indir[i]);
    }
    if (key !== undefined) {
      if (!vi.has_rss && !vi.has_rss_hash_report) return -Errno.EOPNOTSUPP;
      vi.rss.setKey(key);
    }
    if (indir !== undefined || key !== undefined) vi.rss.virtnet_commit_rss_command();
    return 0;
  }

  virtnet_set_rxnfc(dev: NetDevice, flow: string, data: number): number {
    return virtnetInfo(dev).rss.virtnet_set_hashflow(flow, data) ? 0 : -Errno.EINVAL;
  }

  virtnet_get_rxfh_key_size(dev: NetDevice): number {
    return virtnetInfo(dev).rss_key_size;
  }
  virtnet_get_rxfh_indir_size(dev: NetDevice): number {
    return virtnetInfo(dev).rss_indir_table_size;
  }

  /** ETHTOOL_GRXRINGS of virtnet_get_rxnfc(). */
  virtnet_get_rxnfc(dev: NetDevice): number {
    return virtnetInfo(dev).curr_queue_pairs;
  }

  virtnet_coal_params_supported(ec: Coalesce): number {
    const value = (name: string): number => Number(ec[name] ?? 0);
    if (value('rx_coalesce_usecs') !== 0 || value('tx_coalesce_usecs') !== 0) return -Errno.EOPNOTSUPP;
    return value('tx_max_coalesced_frames') > 1 || value('rx_max_coalesced_frames') !== 1 ? -Errno.EINVAL : 0;
  }
}

const tool = (dev: NetDevice): VirtnetEthtool => virtnetInfo(dev).driver.ethtool;

export const virtnet_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  supported_coalesce_params: ['rx_coalesce_usecs', 'rx_max_coalesced_frames', 'tx_coalesce_usecs', 'tx_max_coalesced_frames'],
  get_drvinfo: (dev, info) => tool(dev).virtnet_get_drvinfo(dev, info),
  get_link: (dev) => (dev.nocarrier ? 0 : 1),
  get_rxrings: (dev) => tool(dev).virtnet_get_rxnfc(dev),
  get_rxfh_fields: (dev, flow) => rssOf(dev).virtnet_get_hashflow(flow),
  set_rxfh_fields: (dev, flow, data) => tool(dev).virtnet_set_rxnfc(dev, flow, data),
  get_rxfh: (dev) => tool(dev).virtnet_get_rxfh(dev),
  set_rxfh: (dev, rxfh) => tool(dev).virtnet_set_rxfh(dev, rxfh),
  get_ringparam: (dev) => tool(dev).virtnet_get_ringparam(dev),
  set_ringparam: (dev, ring) => tool(dev).virtnet_set_ringparam(dev, ring),
  get_strings: (dev) => tool(dev).virtnet_get_strings(dev),
  get_sset_count: (dev) => tool(dev).virtnet_get_sset_count(dev),
  get_ethtool_stats: (dev) => tool(dev).virtnet_get_ethtool_stats(dev),
  get_channels: (dev) => tool(dev).virtnet_get_channels(dev),
  set_channels: (dev, channels) => tool(dev).virtnet_set_channels(dev, channels),
  get_link_ksettings: (dev) => tool(dev).virtnet_get_link_ksettings(dev),
  set_link_ksettings: (dev, settings) => tool(dev).virtnet_set_link_ksettings(dev, settings),
  get_coalesce: (dev) => tool(dev).virtnet_get_coalesce(dev),
  set_coalesce: (dev, coalesce) => tool(dev).virtnet_set_coalesce(dev, coalesce),
  get_ts_info: () => ['software-transmit', 'software-receive', 'software-system-clock'],
  get_rxfh_indir_size: (dev) => tool(dev).virtnet_get_rxfh_indir_size(dev),
  get_rxfh_key_size: (dev) => tool(dev).virtnet_get_rxfh_key_size(dev),
});

/** Linux: virtio_net_mrg_rx_group: /sys/class/net/NAME/queues/rx-N/virtio_net/mergeable_rx_buffer_size */
export function mergeableRxBufferSize(vi: VirtnetInfo, queue: number): number {
  return vi.rx.get_mergeable_buf_len(vi.rq[queue]);
}
