// struct ethtool_ops with Linux's member names. An absent member means EOPNOTSUPP.
import type { NetDevice } from '../net_device.ts';

export interface DrvInfo {
  driver: string;
  version: string;
  fw_version: string;
  bus_info: string;
  erom_version?: string;
  supports_statistics?: boolean;
  supports_test?: boolean;
  supports_eeprom_access?: boolean;
  supports_register_dump?: boolean;
  supports_priv_flags?: boolean;
}
export interface RingParam {
  rx_max_pending: number;
  rx_mini_max_pending: number;
  rx_jumbo_max_pending: number;
  tx_max_pending: number;
  rx_pending: number;
  rx_mini_pending: number;
  rx_jumbo_pending: number;
  tx_pending: number;
  rx_buf_len?: number;
  cqe_size?: number;
  tx_push?: boolean;
}
export interface Channels {
  max_rx: number;
  max_tx: number;
  max_other: number;
  max_combined: number;
  rx_count: number;
  tx_count: number;
  other_count: number;
  combined_count: number;
}
/** speed in Mb/s, -1 unknown; duplex 0 half, 1 full, 255 unknown; port as PORT_* */
export interface LinkKsettings {
  speed: number;
  duplex: number;
  port: number;
  autoneg: number;
  phy_address: number;
  transceiver?: number;
  supported: readonly string[];
  advertising: readonly string[];
  lp_advertising: readonly string[];
  mdix?: number;
  mdix_ctrl?: number;
}
export interface Coalesce {
  readonly [name: string]: number | boolean | undefined;
}

/** Receive flow hash: indirection table, key, function. */
export interface Rxfh {
  readonly hfunc: 'toeplitz' | 'xor' | 'crc32';
  readonly indir?: readonly number[];
  readonly key?: Uint8Array;
}

export interface SelfTestResult {
  readonly failed: boolean;
  /** In the driver's order; 0 is good. */
  readonly results: readonly (readonly [name: string, value: number])[];
}
/** Who asked for a self test. */
export interface SelfTestWaiter {
  selfTestDone(result: SelfTestResult): void;
}

export interface EthtoolOps {
  readonly supported_coalesce_params?: readonly string[];
  get_drvinfo?(dev: NetDevice, info: DrvInfo): void;
  get_link?(dev: NetDevice): number;
  get_ringparam?(dev: NetDevice): RingParam;
  set_ringparam?(dev: NetDevice, ring: RingParam): number;
  get_strings?(dev: NetDevice): readonly string[];
  get_sset_count?(dev: NetDevice): number;
  get_ethtool_stats?(dev: NetDevice): readonly number[];
  get_channels?(dev: NetDevice): Channels;
  set_channels?(dev: NetDevice, channels: Channels): number;
  get_link_ksettings?(dev: NetDevice): LinkKsettings | number;
  set_link_ksettings?(dev: NetDevice, settings: LinkKsettings): number;
  get_coalesce?(dev: NetDevice): Coalesce;
  set_coalesce?(dev: NetDevice, coalesce: Coalesce): number;
  set_pauseparam?(dev: NetDevice, pause: { readonly autoneg: boolean; readonly rx_pause: boolean; readonly tx_pause: boolean }): number;
  /** Registers as the driver orders them, with the version that tells the tool how to read them. */
  get_regs?(dev: NetDevice): { readonly version: number; readonly regs: readonly number[] };
  get_eeprom_len?(dev: NetDevice): number;
  get_eeprom?(dev: NetDevice, offset: number, length: number): Uint8Array | number;
  /** 0 or -errno; `magic` guards against the wrong device. */
  set_eeprom?(dev: NetDevice, magic: number, offset: number, bytes: Uint8Array): number;
  /** Restarts autonegotiation. */
  nway_reset?(dev: NetDevice): number;
  /** Blinks a light; 0 when there is one. */
  set_phys_id?(dev: NetDevice): number;
  get_priv_flags?(dev: NetDevice): readonly (readonly [name: string, on: boolean])[];
  /** Time stamping in hardware: number of the clock, and the modes. */
  get_ts_hardware?(dev: NetDevice): { readonly phc: number; readonly tx: readonly string[]; readonly rx: readonly string[] };
  /** Starts the test; the waiter hears of the end, unless the device goes before. Absent: no test. */
  self_test?(dev: NetDevice, offline: boolean, waiter: SelfTestWaiter): void;
  get_pauseparam?(dev: NetDevice): { autoneg: boolean; rx_pause: boolean; tx_pause: boolean };
  get_ts_info?(dev: NetDevice): readonly string[];
  get_msglevel?(dev: NetDevice): number;
  set_msglevel?(dev: NetDevice, level: number): void;
  get_wol?(dev: NetDevice): { supported: number; wolopts: number };
  set_wol?(dev: NetDevice, wolopts: number): number;
  /** get_rxnfc's ETHTOOL_GRXRINGS. */
  get_rxrings?(dev: NetDevice): number;
  /** get_rxnfc's ETHTOOL_GRXFH: fields hashed for a flow type ('tcp4'), as ethtool words them. */
  get_rx_flow_hash?(dev: NetDevice, flow: string): readonly string[];
  /** get_rxnfc's ETHTOOL_GRXFH as RXH_* bits; the words are the tool's. */
  get_rxfh_fields?(dev: NetDevice, flow: string): number;
  /** set_rxnfc's ETHTOOL_SRXFH. */
  set_rxfh_fields?(dev: NetDevice, flow: string, data: number): number;
  get_rxfh?(dev: NetDevice): Rxfh;
  /** Only what is given changes. */
  set_rxfh?(dev: NetDevice, rxfh: Partial<Rxfh>): number;
  get_rxfh_indir_size?(dev: NetDevice): number;
  get_rxfh_key_size?(dev: NetDevice): number;
}
