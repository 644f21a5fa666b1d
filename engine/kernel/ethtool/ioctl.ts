// What the ethtool command asks of the kernel: a value, or a negative errno with the kernel's words (Linux: net/ethtool/).
import { Errno } from '../../base/errno.ts';
import { type Kernel, UTS_RELEASE } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import { FEATURE_NAMES, NETIF_F_NEVER_CHANGE } from '../netdev_features.ts';
import type { Channels, Coalesce, DrvInfo, LinkKsettings, RingParam } from './ops.ts';

/** One feature of the device, by ethtool's name. */
export interface FeatureState {
  readonly name: string;
  readonly active: boolean;
  /** In hw_features: the user may change it. */
  readonly available: boolean;
  /** In wanted_features. */
  readonly requested: boolean;
  /** Fixed whatever hw_features says. */
  readonly never_changed: boolean;
}

/** Answer to a change of features (ETHTOOL_MSG_FEATURES_SET_REPLY). */
export interface FeaturesReply {
  readonly errno: number;
  /** Asked for and not done, in kernel order. */
  readonly unmet: readonly string[];
  /** What really changed, asked for or not: [name, active now], in kernel order. */
  readonly changed: readonly (readonly [string, boolean])[];
}

export interface Pauseparam {
  autoneg: boolean;
  rx_pause: boolean;
  tx_pause: boolean;
}
/** Only what is given changes. */
export type ChannelsRequest = Partial<Pick<Channels, 'rx_count' | 'tx_count' | 'other_count' | 'combined_count'>>;
export type RingRequest = Partial<Pick<RingParam, 'rx_pending' | 'rx_mini_pending' | 'rx_jumbo_pending' | 'tx_pending'>>;
export interface EthtoolAnswer {
  readonly errno: number;
  readonly extack?: string;
}

const DONE: EthtoolAnswer = Object.freeze({ errno: 0 });
const UNSUPPORTED: EthtoolAnswer = Object.freeze({ errno: -Errno.EOPNOTSUPP });
const CHANNELS = ['rx', 'tx', 'other', 'combined'] as const;
const RINGS = ['rx', 'rx_mini', 'rx_jumbo', 'tx'] as const;

export class EthtoolCore {
  constructor(readonly kernel: Kernel) {}

  /** The device of that name, or undefined (ENODEV). */
  find(net: Net, name: string): NetDevice | undefined {
    return net.__dev_get_by_name(name);
  }

  /** Who drives it: the driver's own words, or its name and bus; the kernel's release stands for a version (Linux: ethtool_get_drvinfo()). */
  drvinfo(dev: NetDevice): DrvInfo | number {
    const { ethtool_ops: ops, parent } = dev;
    const driver = parent?.driver?.name;
    if (ops?.get_drvinfo === undefined && driver === undefined && dev.kind === undefined) return -Errno.EOPNOTSUPP;
    const info: DrvInfo = { driver: '', version: UTS_RELEASE, fw_version: '', bus_info: '' };
    if (ops?.get_drvinfo !== undefined) ops.get_drvinfo(dev, info);
    else if (parent !== undefined && driver !== undefined) {
      info.driver = driver;
      info.bus_info = parent.name;
    } else info.driver = dev.kind ?? '';
    info.supports_statistics ??= ops?.get_sset_count !== undefined || ops?.get_strings !== undefined;
    return info;
  }

  /** 1 with link, 0 without, -EOPNOTSUPP. */
  link(dev: NetDevice): number {
    return dev.ethtool_ops?.get_link?.(dev) ?? -Errno.EOPNOTSUPP;
  }

  linkKsettings(dev: NetDevice): LinkKsettings | number {
    return dev.ethtool_ops?.get_link_ksettings?.(dev) ?? -Errno.EOPNOTSUPP;
  }
  setLinkKsettings(dev: NetDevice, settings: LinkKsettings): EthtoolAnswer {
    const ops = dev.ethtool_ops;
    if (ops?.get_link_ksettings === undefined || ops.set_link_ksettings === undefined) return UNSUPPORTED;
    const err = ops.set_link_ksettings(dev, settings);
    return err < 0 ? { errno: err, extack: 'link settings update failed' } : DONE;
  }

  rings(dev: NetDevice): RingParam | number {
    return dev.ethtool_ops?.get_ringparam?.(dev) ?? -Errno.EOPNOTSUPP;
  }
  setRings(dev: NetDevice, request: RingRequest): EthtoolAnswer {
    const ops = dev.ethtool_ops;
    if (ops?.get_ringparam === undefined || ops.set_ringparam === undefined) return UNSUPPORTED;
    const ring = ops.get_ringparam(dev);
    const wanted = { ...ring, ...request };
    if (RINGS.every((r) => wanted[`${r}_pending`] === ring[`${r}_pending`])) return DONE;
    for (const r of RINGS)
      if (wanted[`${r}_pending`] > ring[`${r}_max_pending`]) return { errno: -Errno.EINVAL, extack: 'requested ring size exceeds maximum' };
    return { errno: ops.set_ringparam(dev, wanted) };
  }

  channels(dev: NetDevice): Channels | number {
    return dev.ethtool_ops?.get_channels?.(dev) ?? -Errno.EOPNOTSUPP;
  }
  setChannels(dev: NetDevice, request: ChannelsRequest): EthtoolAnswer {
    const ops = dev.ethtool_ops;
    if (ops?.get_channels === undefined || ops.set_channels === undefined) return UNSUPPORTED;
    const now = ops.get_channels(dev);
    const wanted = { ...now, ...request };
    if (CHANNELS.every((c) => wanted[`${c}_count`] === now[`${c}_count`])) return DONE;
    for (const c of CHANNELS)
      if (wanted[`${c}_count`] > now[`max_${c}`]) return { errno: -Errno.EINVAL, extack: 'requested channel count exceeds maximum' };
    if (wanted.combined_count === 0 && (wanted.rx_count === 0 || wanted.tx_count === 0))
      return { errno: -Errno.EINVAL, extack: 'requested channel counts would result in no RX or TX channel being configured' };
    return { errno: ops.set_channels(dev, wanted) };
  }

  coalesce(dev: NetDevice): Coalesce | number {
    return dev.ethtool_ops?.get_coalesce?.(dev) ?? -Errno.EOPNOTSUPP;
  }
  setCoalesce(dev: NetDevice, request: Coalesce): EthtoolAnswer {
    const ops = dev.ethtool_ops;
    if (ops?.get_coalesce === undefined || ops.set_coalesce === undefined) return UNSUPPORTED;
    const supported = ops.supported_coalesce_params ?? [];
    for (const name of Object.keys(request))
      if (!supported.includes(name)) return { errno: -Errno.EINVAL, extack: 'cannot modify an unsupported parameter' };
    const now = ops.get_coalesce(dev);
    if (Object.keys(request).every((name) => request[name] === now[name])) return DONE;
    return { errno: ops.set_coalesce(dev, { ...now, ...request }) };
  }

  pause(dev: NetDevice): Pauseparam | number {
    return dev.ethtool_ops?.get_pauseparam?.(dev) ?? -Errno.EOPNOTSUPP;
  }

  /** Only what is given changes. */
  setPause(dev: NetDevice, request: Partial<Pauseparam>): EthtoolAnswer {
    const ops = dev.ethtool_ops;
    if (ops?.get_pauseparam === undefined || ops.set_pauseparam === undefined) return UNSUPPORTED;
    const now = ops.get_pauseparam(dev);
    const wanted = { ...now, ...request };
    if (wanted.autoneg === now.autoneg && wanted.rx_pause === now.rx_pause && wanted.tx_pause === now.tx_pause) return DONE;
    return { errno: ops.set_pauseparam(dev, wanted) };
  }

  /** Names and values of -S, in the driver's order; -EOPNOTSUPP without the ops. */
  stats(dev: NetDevice): readonly (readonly [string, number])[] | number {
    const ops = dev.ethtool_ops;
    if (ops?.get_strings === undefined || ops.get_ethtool_stats === undefined) return -Errno.EOPNOTSUPP;
    const names = ops.get_strings(dev);
    const values = ops.get_ethtool_stats(dev);
    return names.map((name, i) => [name, values[i]] as const);
  }

  /** All features that have a name, in kernel order. */
  features(dev: NetDevice): FeatureState[] {
    return FEATURE_NAMES.map(({ bit, name }) => ({
      name,
      active: (dev.features & bit) !== 0n,
      available: (dev.hw_features & bit) !== 0n,
      requested: (dev.wanted_features & bit) !== 0n,
      never_changed: (NETIF_F_NEVER_CHANGE & bit) !== 0n,
    }));
  }

  /** Names as in FEATURE_NAMES (an unknown name is the tool's error). What hw_features does not hold stays, and is reported as unmet. */
  setFeatures(dev: NetDevice, wanted: ReadonlyMap<string, boolean>): FeaturesReply {
    let mask = 0n;
    let bits = 0n;
    for (const { bit, name } of FEATURE_NAMES) {
      const on = wanted.get(name);
      if (on === undefined) continue;
      mask |= bit;
      if (on) bits |= bit;
    }
    const before = dev.features;
    const request = bits | (dev.wanted_features & ~mask);
    const { features } = this.kernel.net;
    if (request !== dev.wanted_features) {
      dev.wanted_features = (dev.wanted_features & ~dev.hw_features) | (request & dev.hw_features);
      features.__netdev_update_features(dev);
    }
    const now = dev.features;
    const unmet = (request ^ now) & mask;
    const changed = before ^ now;
    if (changed !== 0n) features.netdev_features_change(dev);
    return {
      errno: 0,
      unmet: FEATURE_NAMES.filter((f) => (unmet & f.bit) !== 0n).map((f) => f.name),
      changed: FEATURE_NAMES.filter((f) => (changed & f.bit) !== 0n).map((f) => [f.name, (now & f.bit) !== 0n] as const),
    };
  }

  /** Names of time stamping capabilities; what every device can do when the driver says nothing (Linux: __ethtool_get_ts_info()). */
  tsInfo(dev: NetDevice): readonly string[] | number {
    return dev.ethtool_ops?.get_ts_info?.(dev) ?? ['software-receive', 'software-system-clock'];
  }
  permAddr(dev: NetDevice): Uint8Array {
    return dev.perm_addr;
  }
  msglevel(dev: NetDevice): number {
    return dev.ethtool_ops?.get_msglevel?.(dev) ?? -Errno.EOPNOTSUPP;
  }
  wol(dev: NetDevice): { supported: number; wolopts: number } | number {
    return dev.ethtool_ops?.get_wol?.(dev) ?? -Errno.EOPNOTSUPP;
  }
}
