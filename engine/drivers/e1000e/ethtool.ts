// ethtool operations of e1000e (Linux: e1000_ethtool_ops).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Coalesce, DrvInfo, EthtoolOps, LinkKsettings, RingParam } from '../../kernel/ethtool/ops.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { NVM_WORDS } from '../../pci/e1000e_phy.ts';
import { E1000, MRQC } from '../../pci/e1000e_regs.ts';
import { type E1000Adapter, e1000Adapter, E1000_MAX_RXD, E1000_MAX_TXD, E1000_MIN_DESCRIPTORS } from './adapter.ts';
import { ADV } from './phy.ts';

/** Mode bits with ethtool's words for them. */
const MODES: readonly (readonly [number, string])[] = [
  [ADV.HALF10, '10baseT/Half'],
  [ADV.FULL10, '10baseT/Full'],
  [ADV.HALF100, '100baseT/Half'],
  [ADV.FULL100, '100baseT/Full'],
  [ADV.FULL1000, '1000baseT/Full'],
];
const modeNames = (modes: number): string[] => MODES.filter(([bit]) => (modes & bit) !== 0).map(([, name]) => name);
const PORT_TP = 0;
const XCVR_INTERNAL = 0;
/** Linux: ETH_TP_MDI, ETH_TP_MDI_X, ETH_TP_MDI_AUTO */
const MDI = { INVALID: 0, STRAIGHT: 1, CROSSED: 2, AUTO: 3 } as const;
/** Multiples of 8 descriptors: a ring fills whole cache lines. */
const DESCRIPTOR_MULTIPLE = 8;
const MAX_ITR_USECS = 10000;
const MIN_ITR_USECS = 10;

export class E1000Ethtool {
  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {}

  e1000_get_drvinfo(info: DrvInfo): void {
    const v = this.adapter.eeprom_vers;
    info.driver = 'e1000e';
    info.fw_version = `${v >> 12}.${(v >> 4) & 0xff}-${v & 0xf}`;
    info.bus_info = this.adapter.pdev.name;
    info.supports_test = true;
    info.supports_eeprom_access = true;
    info.supports_register_dump = true;
    info.supports_priv_flags = true;
  }

  e1000_get_link_ksettings(): LinkKsettings {
    const { adapter } = this;
    const { phy } = adapter.hw;
    const up = !adapter.dev.nocarrier;
    return {
      speed: up && adapter.dev.started ? adapter.link_speed : -1,
      duplex: up && adapter.dev.started ? adapter.link_duplex : 0xff,
      port: PORT_TP,
      autoneg: phy.autoneg ? 1 : 0,
      phy_address: phy.addr,
      transceiver: XCVR_INTERNAL,
      supported: ['TP', ...modeNames(ADV.ALL), 'Autoneg'],
      advertising: ['TP', ...(phy.autoneg ? [...modeNames(phy.autoneg_advertised), 'Autoneg'] : [])],
      lp_advertising: [],
      mdix: up ? (phy.isCrossed() ? MDI.CROSSED : MDI.STRAIGHT) : MDI.INVALID,
      mdix_ctrl: MDI.AUTO,
    };
  }

  e1000_set_link_ksettings(settings: LinkKsettings): number {
    const { adapter } = this;
    const { phy } = adapter.hw;
    if (settings.autoneg !== 0) {
      phy.autoneg = true;
      const wanted = MODES.filter(([, name]) => settings.advertising.includes(name)).reduce((bits, [bit]) => bits | bit, 0);
      phy.autoneg_advertised = wanted === 0 ? ADV.ALL : wanted;
      adapter.hw.fc_requested = adapter.fc_autoneg ? 'full' : adapter.hw.fc_requested;
    } else {
      // IEEE 802.3 §40.5.1: 1000BASE-T always negotiates
      if (settings.speed === 1000 && settings.duplex === 1) {
        phy.autoneg = true;
        phy.autoneg_advertised = ADV.FULL1000;
      } else {
        if (settings.speed !== 10 && settings.speed !== 100) return -Errno.EINVAL;
        phy.autoneg = false;
        phy.forced_speed = settings.speed;
        phy.forced_full = settings.duplex === 1;
      }
    }
    this.restart();
    return 0;
  }

  /** New settings of the link: down and up again, or just a reset. */
  private restart(): void {
    const { netdev, dev } = this.adapter;
    if (dev.started) netdev.e1000e_reinit_locked();
    else netdev.e1000e_reset();
  }

  e1000_get_ringparam(): RingParam {
    return {
      rx_max_pending: E1000_MAX_RXD,
      rx_mini_max_pending: 0,
      rx_jumbo_max_pending: 0,
      tx_max_pending: E1000_MAX_TXD,
      rx_pending: this.adapter.rx_ring_count,
      rx_mini_pending: 0,
      rx_jumbo_pending: 0,
      tx_pending: this.adapter.tx_ring_count,
    };
  }

  /** New rings get their memory before the old ones go. */
  e1000_set_ringparam(ring: RingParam): number {
    const { adapter } = this;
    if (ring.rx_mini_pending !== 0 || ring.rx_jumbo_pending !== 0) return -Errno.EINVAL;
    const size = (n: number, max: number): number =>
      Math.ceil(Math.min(Math.max(n, E1000_MIN_DESCRIPTORS), max) / DESCRIPTOR_MULTIPLE) * DESCRIPTOR_MULTIPLE;
    const rx = size(ring.rx_pending, E1000_MAX_RXD);
    const tx = size(ring.tx_pending, E1000_MAX_TXD);
    if (rx === adapter.rx_ring_count && tx === adapter.tx_ring_count) return 0;
    if (!adapter.dev.started) {
      adapter.rx_ring_count = rx;
      adapter.tx_ring_count = tx;
      adapter.netdev.e1000_alloc_queues();
      return 0;
    }
    return this.resize(rx, tx);
  }

  private resize(rx: number, tx: number): number {
    const { adapter } = this;
    const before = { rx: adapter.rx_ring, tx: adapter.tx_ring, rxCount: adapter.rx_ring_count, txCount: adapter.tx_ring_count };
    adapter.netdev.e1000e_down({ reset: true });
    adapter.rx_ring_count = rx;
    adapter.tx_ring_count = tx;
    adapter.netdev.e1000_alloc_queues();
    const gotTx = adapter.tx.e1000e_setup_tx_resources(adapter.tx_ring);
    const gotRx = gotTx && adapter.rx.e1000e_setup_rx_resources(adapter.rx_ring);
    if (gotRx) {
      adapter.tx.e1000e_free_tx_resources(before.tx);
      adapter.rx.e1000e_free_rx_resources(before.rx);
    } else {
      if (gotTx) adapter.tx.e1000e_free_tx_resources(adapter.tx_ring);
      adapter.rx_ring = before.rx;
      adapter.tx_ring = before.tx;
      adapter.rx_ring_count = before.rxCount;
      adapter.tx_ring_count = before.txCount;
    }
    adapter.netdev.e1000e_up();
    return gotRx ? 0 : -Errno.ENOMEM;
  }

  /** A setting up to 4 is a mode, above it a rate. */
  e1000_get_coalesce(): Coalesce {
    const { itr_setting } = this.adapter;
    return { rx_coalesce_usecs: itr_setting <= 4 ? itr_setting : Math.floor(1_000_000 / itr_setting) };
  }

  e1000_set_coalesce(ec: Coalesce): number {
    const { adapter } = this;
    const usecs = Number(ec['rx_coalesce_usecs'] ?? 0);
    if (usecs > MAX_ITR_USECS || (usecs > 4 && usecs < MIN_ITR_USECS) || usecs === 2) return -Errno.EINVAL;
    if (usecs === 4) {
      adapter.itr_setting = 4;
      adapter.itr = 4;
    } else if (usecs <= 3) {
      adapter.itr = 20000;
      adapter.itr_setting = usecs;
    } else {
      adapter.itr = Math.floor(1_000_000 / usecs);
      adapter.itr_setting = adapter.itr & ~3;
    }
    adapter.intr.e1000e_write_itr(adapter.itr_setting !== 0 ? adapter.itr : 0);
    return 0;
  }

  e1000_get_pauseparam(): { autoneg: boolean; rx_pause: boolean; tx_pause: boolean } {
    const { fc_current } = this.adapter.hw;
    return {
      autoneg: this.adapter.fc_autoneg,
      rx_pause: fc_current === 'full' || fc_current === 'rx_pause',
      tx_pause: fc_current === 'full' || fc_current === 'tx_pause',
    };
  }

  e1000_set_pauseparam(pause: { readonly autoneg: boolean; readonly rx_pause: boolean; readonly tx_pause: boolean }): number {
    const { adapter } = this;
    const { hw } = adapter;
    adapter.fc_autoneg = pause.autoneg;
    if (pause.autoneg) {
      // what is negotiated, not what was asked for, counts
      hw.fc_requested = 'full';
      this.restart();
      return 0;
    }
    hw.fc_requested = pause.rx_pause ? (pause.tx_pause ? 'full' : 'rx_pause') : pause.tx_pause ? 'tx_pause' : 'none';
    hw.fc_current = hw.fc_requested;
    hw.e1000e_force_mac_fc();
    hw.e1000e_set_fc_watermarks();
    return 0;
  }

  /** Version: 1, revision and device; the tool knows the order. */
  e1000_get_regs(): { version: number; regs: number[] } {
    const { hw, pdev } = this.adapter;
    return { version: 0x1000000 | (pdev.revision << 16) | pdev.device, regs: [...REGS.map((r) => hw.er32(E1000[r])), hw.phy.type] };
  }

  e1000_get_eeprom(offset: number, length: number): Uint8Array | number {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const word = this.adapter.hw.e1000e_read_nvm_eerd((offset + i) >> 1);
      if (word < 0) return word;
      out[i] = word >> (8 * ((offset + i) & 1));
    }
    return out;
  }

  /** The magic number is the function's identity; the checksum follows what is written. */
  e1000_set_eeprom(magic: number, offset: number, bytes: Uint8Array): number {
    const { hw, pdev } = this.adapter;
    if (bytes.length === 0) return -Errno.EOPNOTSUPP;
    if (magic >>> 0 !== (pdev.vendor | (pdev.device << 16)) >>> 0) return -Errno.EFAULT;
    for (let word = offset >> 1; word <= (offset + bytes.length - 1) >> 1; word++) {
      const old = hw.e1000e_read_nvm_eerd(word);
      if (old < 0) return old;
      const byte = (at: number, before: number): number => bytes[at - offset] ?? before;
      const value = byte(2 * word, old & 0xff) | (byte(2 * word + 1, old >> 8) << 8);
      const err = hw.e1000_write_nvm_eewr_82571(word, value);
      if (err < 0) return err;
    }
    return hw.e1000e_update_nvm_checksum_generic();
  }

  e1000_nway_reset(): number {
    const { adapter } = this;
    if (!adapter.dev.started) return -Errno.EAGAIN;
    if (!adapter.hw.phy.autoneg) return -Errno.EINVAL;
    adapter.netdev.e1000e_reinit_locked();
    return 0;
  }

  /** Lights blink, then are as before. */
  e1000_set_phys_id(): number {
    const { hw } = this.adapter;
    const before = hw.er32(E1000.LEDCTL);
    // bit 7 of each light's mode: blink
    hw.ew32(E1000.LEDCTL, before | 0x00808080);
    hw.ew32(E1000.LEDCTL, before);
    return 0;
  }

  /** Fields hashed for a flow type, as MRQC says. */
  e1000_get_rx_flow_hash(flow: string): string[] {
    const { hw } = this.adapter;
    const mrqc = hw.er32(E1000.MRQC);
    const v4 = flow.endsWith('4');
    const addresses = (mrqc & (v4 ? MRQC.IPV4 : MRQC.IPV6)) !== 0 ? ['IP SA', 'IP DA'] : [];
    const tcp = flow.startsWith('tcp') && (mrqc & (v4 ? MRQC.TCP_IPV4 : MRQC.TCP_IPV6)) !== 0;
    return tcp ? [...addresses, 'L4 bytes 0 & 1 [TCP/UDP src port]', 'L4 bytes 2 & 3 [TCP/UDP dst port]'] : addresses;
  }
}

/** The registers of a dump, in the order the tool expects them. */
const REGS = ['CTRL', 'STATUS', 'RCTL', 'RDLEN0', 'RDH0', 'RDT0', 'RDTR', 'TCTL', 'TDLEN0', 'TDH0', 'TDT0', 'TIDV'] as const;
/** Linux: e1000e_get_ts_info(), modes in the order of their numbers. */
const TS_HARDWARE = ops({
  phc: 0,
  tx: ops(['off', 'on']),
  rx: ops([
    'none',
    'all',
    'ptpv1-l4-sync',
    'ptpv1-l4-delay-req',
    'ptpv2-l4-sync',
    'ptpv2-l4-delay-req',
    'ptpv2-l2-sync',
    'ptpv2-l2-delay-req',
    'ptpv2-event',
    'ptpv2-sync',
    'ptpv2-delay-req',
  ]),
});
const TS_CAPABILITIES = ops([
  'hardware-transmit',
  'software-transmit',
  'hardware-receive',
  'software-receive',
  'software-system-clock',
  'hardware-raw-clock',
]);

const tool = (dev: NetDevice): E1000Ethtool => e1000Adapter(dev).ethtool;

export const e1000_ethtool_ops: EthtoolOps = ops<EthtoolOps>({
  supported_coalesce_params: ['rx_coalesce_usecs'],
  get_drvinfo: (dev, info) => tool(dev).e1000_get_drvinfo(info),
  get_link: (dev) => (dev.nocarrier ? 0 : 1),
  get_link_ksettings: (dev) => tool(dev).e1000_get_link_ksettings(),
  set_link_ksettings: (dev, settings) => tool(dev).e1000_set_link_ksettings(settings),
  get_ringparam: (dev) => tool(dev).e1000_get_ringparam(),
  set_ringparam: (dev, ring) => tool(dev).e1000_set_ringparam(ring),
  get_strings: (dev) => e1000Adapter(dev).stats.e1000_get_strings(),
  get_sset_count: (dev) => e1000Adapter(dev).stats.e1000_get_strings().length,
  get_ethtool_stats: (dev) => e1000Adapter(dev).stats.e1000_get_ethtool_stats(),
  get_coalesce: (dev) => tool(dev).e1000_get_coalesce(),
  set_coalesce: (dev, coalesce) => tool(dev).e1000_set_coalesce(coalesce),
  get_pauseparam: (dev) => tool(dev).e1000_get_pauseparam(),
  set_pauseparam: (dev, pause) => tool(dev).e1000_set_pauseparam(pause),
  get_regs: (dev) => tool(dev).e1000_get_regs(),
  get_eeprom_len: () => 2 * NVM_WORDS,
  get_eeprom: (dev, offset, length) => tool(dev).e1000_get_eeprom(offset, length),
  set_eeprom: (dev, magic, offset, bytes) => tool(dev).e1000_set_eeprom(magic, offset, bytes),
  nway_reset: (dev) => tool(dev).e1000_nway_reset(),
  set_phys_id: (dev) => tool(dev).e1000_set_phys_id(),
  get_priv_flags: (dev) => [['s0ix-enabled', e1000Adapter(dev).s0ix]],
  get_ts_info: () => TS_CAPABILITIES,
  get_ts_hardware: () => TS_HARDWARE,
  get_rx_flow_hash: (dev, flow) => tool(dev).e1000_get_rx_flow_hash(flow),
  self_test: (dev, offline, waiter) => e1000Adapter(dev).self_test.e1000_diag_test(offline, waiter),
  get_msglevel: (dev) => e1000Adapter(dev).msg_enable,
  set_msglevel: (dev, level) => {
    e1000Adapter(dev).msg_enable = level;
  },
  get_wol: () => ({ supported: 0, wolopts: 0 }),
});
