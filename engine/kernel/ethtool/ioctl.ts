// What the ethtool command asks of the kernel: a value, or a negative errno (Linux: net/ethtool/).
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { Net } from '../net_namespace.ts';
import type { Channels, Coalesce, DrvInfo, LinkKsettings, RingParam } from './ops.ts';

/** One feature of ETHTOOL_GFEATURES. */
export interface FeatureState {
  readonly name: string;
  /** Bits of ethtool's feature words. */
  readonly active: boolean;
  /** hw_features: the user may change it. */
  readonly available: boolean;
  readonly requested: boolean;
  /** NETIF_F_NEVER_CHANGE: fixed whatever hw_features says. */
  readonly never_changed: boolean;
}

/** Result of a features request (ETHTOOL_MSG_FEATURES_SET with reply). */
export interface FeaturesReply {
  readonly errno: number;
  /** Asked for and not done. */
  readonly unmet: readonly string[];
  /** Really changed, asked for or not: [name, active now]. */
  readonly changed: readonly (readonly [string, boolean])[];
}

export interface Pauseparam {
  autoneg: boolean;
  rx_pause: boolean;
  tx_pause: boolean;
}
/** Settings of ETHTOOL_SCHANNELS, each only when given. */
export type ChannelsRequest = Partial<Pick<Channels, 'rx_count' | 'tx_count' | 'other_count' | 'combined_count'>>;
export type RingRequest = Partial<Pick<RingParam, 'rx_pending' | 'rx_mini_pending' | 'rx_jumbo_pending' | 'tx_pending'>>;
export interface EthtoolAnswer {
  readonly errno: number;
  readonly extack?: string;
}

export class EthtoolCore {
  constructor(readonly kernel: Kernel) {}

  /** The device of that name, or undefined (ENODEV). */
  find(net: Net, name: string): NetDevice | undefined {
    return net.__dev_get_by_name(name);
  }
  drvinfo(dev: NetDevice): DrvInfo | number;
  drvinfo(): DrvInfo | number {
    return -95;
  }
  link(dev: NetDevice): number;
  link(): number {
    return -95;
  }
  linkKsettings(dev: NetDevice): LinkKsettings | number;
  linkKsettings(): LinkKsettings | number {
    return -95;
  }
  setLinkKsettings(dev: NetDevice, settings: LinkKsettings): EthtoolAnswer;
  setLinkKsettings(): EthtoolAnswer {
    return { errno: -95 };
  }
  rings(dev: NetDevice): RingParam | number;
  rings(): RingParam | number {
    return -95;
  }
  setRings(dev: NetDevice, request: RingRequest): EthtoolAnswer;
  setRings(): EthtoolAnswer {
    return { errno: -95 };
  }
  channels(dev: NetDevice): Channels | number;
  channels(): Channels | number {
    return -95;
  }
  setChannels(dev: NetDevice, request: ChannelsRequest): EthtoolAnswer;
  setChannels(): EthtoolAnswer {
    return { errno: -95 };
  }
  coalesce(dev: NetDevice): Coalesce | number;
  coalesce(): Coalesce | number {
    return -95;
  }
  setCoalesce(dev: NetDevice, request: Coalesce): EthtoolAnswer;
  setCoalesce(): EthtoolAnswer {
    return { errno: -95 };
  }
  pause(dev: NetDevice): Pauseparam | number;
  pause(): Pauseparam | number {
    return -95;
  }
  /** Names and values of -S; -EOPNOTSUPP without the op. */
  stats(dev: NetDevice): readonly (readonly [string, number])[] | number;
  stats(): readonly (readonly [string, number])[] | number {
    return -95;
  }
  /** Kernel order. */
  features(dev: NetDevice): FeatureState[];
  features(): FeatureState[] {
    return [];
  }
  /** Names as in FEATURE_NAMES. -EINVAL is not possible: unknown names are the tool's error. */
  setFeatures(dev: NetDevice, wanted: ReadonlyMap<string, boolean>): FeaturesReply;
  setFeatures(): FeaturesReply {
    return { errno: 0, unmet: [], changed: [] };
  }
  /** Names of time stamping capabilities. */
  tsInfo(dev: NetDevice): readonly string[] | number;
  tsInfo(): readonly string[] | number {
    return -95;
  }
  permAddr(dev: NetDevice): Uint8Array;
  permAddr(dev?: NetDevice): Uint8Array {
    return dev?.perm_addr ?? new Uint8Array(6);
  }
  msglevel(dev: NetDevice): number;
  msglevel(): number {
    return -95;
  }
  wol(dev: NetDevice): { supported: number; wolopts: number } | number;
  wol(): { supported: number; wolopts: number } | number {
    return -95;
  }
}
