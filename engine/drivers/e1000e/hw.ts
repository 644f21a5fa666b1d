// The 82574L as its driver works it: registers, semaphore, non-volatile memory, reset and initialisation (Linux: e1000e's 82571.c, mac.c, nvm.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { NVM, NVM_SUM } from '../../pci/e1000e_phy.ts';
import {
  CTRL,
  CTRL_EXT,
  E1000,
  type E1000Reg,
  EECD,
  EERD,
  EXTCNF_MDIO_SW_OWNERSHIP,
  FCRTL_XONE,
  RAH_AV,
  STATUS,
  TCTL,
  TXDCTL,
} from '../../pci/e1000e_regs.ts';
import { E1000Phy } from './phy.ts';

const RAR_ENTRIES = 15;
const TABLE_ENTRIES = 128;
/** How often a register is looked at before the driver gives up. */
const PATIENCE = 800;
/** IEEE 802.3 annex 31B: destination and EtherType of pause frames, and for how long they stop the far end. */
const FLOW_CONTROL_ADDRESS = [0x00c28001, 0x0100] as const;
const FLOW_CONTROL_TYPE = 0x8808;
const FC_PAUSE_TIME = 0x0680;
const GCR_L1_ACT_WITHOUT_L0S_RX = 0x08000000;
const SWSM_SMBI = 0x1;

/** Statistics that are read once to clear them, in Linux's order (e1000e_clear_hw_cntrs_base() and e1000_clear_hw_cntrs_82571()). */
const BASE_COUNTERS: readonly E1000Reg[] = [
  'CRCERRS',
  'SYMERRS',
  'MPC',
  'SCC',
  'ECOL',
  'MCC',
  'LATECOL',
  'COLC',
  'DC',
  'SEC',
  'RLEC',
  'XONRXC',
  'XONTXC',
  'XOFFRXC',
  'XOFFTXC',
  'FCRUC',
  'GPRC',
  'BPRC',
  'MPRC',
  'GPTC',
  'GORCL',
  'GORCH',
  'GOTCL',
  'GOTCH',
  'RNBC',
  'RUC',
  'RFC',
  'ROC',
  'RJC',
  'TORL',
  'TORH',
  'TOTL',
  'TOTH',
  'TPR',
  'TPT',
  'MPTC',
  'BPTC',
];
const LATER_COUNTERS: readonly E1000Reg[] = [
  'ALGNERRC',
  'RXERRC',
  'TNCRS',
  'CEXTERR',
  'TSCTC',
  'TSCTFC',
  'MGTPRC',
  'MGTPDC',
  'MGTPTC',
  'IAC',
  'ICRXOC',
  'ICRXPTC',
  'ICRXATC',
  'ICTXPTC',
  'ICTXATC',
  'ICTXQEC',
  'ICTXQMTC',
  'ICRXDMTC',
];

export class E1000Hw {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['er32', 'ew32', 'e1e_flush']);
  readonly phy: E1000Phy;
  /** The permanent address, and the one in use. */
  perm_addr = new Uint8Array(6);
  mac_addr = new Uint8Array(6);
  /** e1000_fc_*: what was asked for and what negotiation gave. */
  fc_requested: 'none' | 'rx_pause' | 'tx_pause' | 'full' = 'full';
  fc_current: 'none' | 'rx_pause' | 'tx_pause' | 'full' = 'full';
  fc_high_water = 0;
  fc_low_water = 0;
  fc_pause_time = FC_PAUSE_TIME;

  constructor(
    readonly kernel: Kernel,
    /** Bus address of BAR 0. */
    readonly hw_addr: number,
  ) {
    this.phy = new E1000Phy(kernel, this);
  }

  er32(offset: number): number {
    return this.kernel.io.readl(this.hw_addr + offset);
  }
  ew32(offset: number, value: number): void {
    this.kernel.io.writel(value >>> 0, this.hw_addr + offset);
  }
  /** Posted writes have arrived when a read comes back. */
  e1e_flush(): void {
    this.er32(E1000.STATUS);
  }
  private update(offset: number, clear: number, set: number): void {
    this.ew32(offset, (this.er32(offset) & ~clear) | set);
  }

  /** Which port this is; the lock bit between ports may be left over from firmware. */
  e1000_init_mac_params_82571(): void {
    this.er32(E1000.STATUS);
    this.update(E1000.SWSM, SWSM_SMBI, 0);
  }
  e1000_init_nvm_params_82571(): void {
    this.er32(E1000.EECD);
  }

  /** Software's right to the PHY's management bus; 0 or -EBUSY. */
  e1000_get_hw_semaphore_82574(): number {
    let value = this.er32(E1000.EXTCNF_CTRL);
    for (let i = 0; i < PATIENCE; i++) {
      this.ew32(E1000.EXTCNF_CTRL, value | EXTCNF_MDIO_SW_OWNERSHIP);
      value = this.er32(E1000.EXTCNF_CTRL);
      if ((value & EXTCNF_MDIO_SW_OWNERSHIP) !== 0) return 0;
    }
    return -Errno.EBUSY;
  }
  e1000_put_hw_semaphore_82574(): void {
    this.update(E1000.EXTCNF_CTRL, EXTCNF_MDIO_SW_OWNERSHIP, 0);
  }

  /** A word of non-volatile memory, or -errno. */
  e1000e_read_nvm_eerd(word: number): number {
    this.ew32(E1000.EERD, (word << EERD.ADDR_SHIFT) | EERD.START);
    for (let i = 0; i < PATIENCE; i++) {
      if ((this.er32(E1000.EERD) & EERD.DONE) !== 0) return this.er32(E1000.EERD) >>> EERD.DATA_SHIFT;
    }
    return -Errno.EIO;
  }

  /** Writes a word of non-volatile memory; 0 or -EIO. */
  e1000_write_nvm_eewr_82571(word: number, value: number): number {
    this.ew32(E1000.EEWR, ((value << EERD.DATA_SHIFT) | (word << EERD.ADDR_SHIFT) | EERD.START) >>> 0);
    for (let i = 0; i < PATIENCE; i++) if ((this.er32(E1000.EEWR) & EERD.DONE) !== 0) return 0;
    return -Errno.EIO;
  }

  e1000e_update_nvm_checksum_generic(): number {
    let sum = 0;
    for (let word = 0; word < NVM.CHECKSUM; word++) {
      const value = this.e1000e_read_nvm_eerd(word);
      if (value < 0) return value;
      sum += value;
    }
    return this.e1000_write_nvm_eewr_82571(NVM.CHECKSUM, (NVM_SUM - sum) & 0xffff);
  }

  e1000e_validate_nvm_checksum_generic(): number {
    let sum = 0;
    for (let word = 0; word <= NVM.CHECKSUM; word++) {
      const value = this.e1000e_read_nvm_eerd(word);
      if (value < 0) return value;
      sum += value;
    }
    return (sum & 0xffff) === NVM_SUM ? 0 : -Errno.EIO;
  }

  e1000_read_mac_addr_82571(): void {
    const high = this.er32(E1000.RA + 4);
    const low = this.er32(E1000.RA);
    for (let i = 0; i < 4; i++) this.perm_addr[i] = low >>> (8 * i);
    for (let i = 0; i < 2; i++) this.perm_addr[4 + i] = high >>> (8 * i);
    this.mac_addr.set(this.perm_addr);
  }

  /** No requests of the device are under way any more; 0 or -EBUSY. */
  e1000e_disable_pcie_master(): number {
    this.update(E1000.CTRL, 0, CTRL.GIO_MASTER_DISABLE);
    for (let i = 0; i < PATIENCE; i++) if ((this.er32(E1000.STATUS) & STATUS.GIO_MASTER_ENABLE) === 0) return 0;
    return -Errno.EBUSY;
  }

  e1000e_get_auto_rd_done(): number {
    for (let i = 0; i < PATIENCE; i++) if ((this.er32(E1000.EECD) & EECD.AUTO_RD) !== 0) return 0;
    return -Errno.EIO;
  }

  /** Stops everything and resets the MAC; 0 or -errno. */
  e1000_reset_hw_82571(): number {
    this.e1000e_disable_pcie_master();
    this.ew32(E1000.IMC, 0xffffffff);
    this.ew32(E1000.RCTL, 0);
    this.update(E1000.TCTL, TCTL.EN, 0);
    this.e1e_flush();
    const err = this.e1000_get_hw_semaphore_82574();
    this.ew32(E1000.CTRL, this.er32(E1000.CTRL) | CTRL.RST);
    if (err === 0) this.e1000_put_hw_semaphore_82574();
    const done = this.e1000e_get_auto_rd_done();
    if (done < 0) return done;
    this.ew32(E1000.IMC, 0xffffffff);
    this.er32(E1000.ICR);
    return 0;
  }

  /** Bits that the hardware wants set for what it does not do right by itself. */
  e1000_initialize_hw_bits_82571(): void {
    this.update(E1000.TXDCTL0, 0, TXDCTL.COUNT_DESC);
    this.update(E1000.TXDCTL1, 0, TXDCTL.COUNT_DESC);
    this.update(E1000.TARC0, 0xf << 27, 1 << 26);
    this.er32(E1000.TARC1);
    this.update(E1000.CTRL, 1 << 29, 0);
    this.update(E1000.CTRL_EXT, 1 << 23, CTRL_EXT.PHYPDEN);
    this.update(E1000.GCR, 0, 1 << 22);
    this.update(E1000.GCR2, 0, 1);
  }

  e1000_id_led_init_generic(): void {
    this.e1000e_read_nvm_eerd(NVM.COMPAT + 1);
    this.er32(E1000.LEDCTL);
  }

  e1000_clear_vfta_82571(): void {
    for (let i = 0; i < TABLE_ENTRIES; i++) {
      this.ew32(E1000.VFTA + 4 * i, 0);
      this.e1e_flush();
    }
  }

  /** An exact-match address; undefined empties the entry. */
  e1000e_rar_set_generic(addr: Uint8Array | undefined, index: number): void {
    const a = addr ?? new Uint8Array(6);
    const low = (a[0] | (a[1] << 8) | (a[2] << 16) | (a[3] << 24)) >>> 0;
    const high = a[4] | (a[5] << 8);
    const valid = low !== 0 || high !== 0 ? RAH_AV : 0;
    this.ew32(E1000.RA + 8 * index, low);
    this.e1e_flush();
    this.ew32(E1000.RA + 8 * index + 4, (high | valid) >>> 0);
    this.e1e_flush();
  }

  e1000e_init_rx_addrs(): void {
    this.e1000e_rar_set_generic(this.mac_addr, 0);
    for (let i = 1; i < RAR_ENTRIES; i++) this.e1000e_rar_set_generic(undefined, i);
  }

  /** Programs the multicast hash table, last entry first as Linux does. */
  e1000e_update_mc_addr_list_generic(addresses: readonly Uint8Array[]): void {
    const table = new Uint32Array(TABLE_ENTRIES);
    for (const a of addresses) {
      const hash = ((a[4] >> 4) | (a[5] << 4)) & 0xfff;
      table[hash >> 5] |= 1 << (hash & 31);
    }
    for (let i = TABLE_ENTRIES - 1; i >= 0; i--) this.ew32(E1000.MTA + 4 * i, table[i]);
    this.e1e_flush();
  }

  e1000_init_hw_82571(): number {
    this.e1000_initialize_hw_bits_82571();
    this.e1000_id_led_init_generic();
    this.e1000_clear_vfta_82571();
    this.e1000e_init_rx_addrs();
    for (let i = 0; i < TABLE_ENTRIES; i++) this.ew32(E1000.MTA + 4 * i, 0);
    const ret = this.e1000_setup_link_82571();
    const granularity = TXDCTL.GRAN | (1 << TXDCTL.WTHRESH_SHIFT) | TXDCTL.COUNT_DESC;
    this.update(E1000.TXDCTL0, 0x3f << TXDCTL.WTHRESH_SHIFT, granularity);
    this.update(E1000.GCR, 0, GCR_L1_ACT_WITHOUT_L0S_RX);
    this.e1000_clear_hw_cntrs_82571();
    return ret;
  }

  e1000_setup_link_82571(): number {
    if (this.e1000e_check_reset_block_generic()) return 0;
    this.fc_current = this.fc_requested;
    const ret = this.phy.e1000_setup_copper_link_82571();
    if (ret < 0) return ret;
    this.ew32(E1000.FCT, FLOW_CONTROL_TYPE);
    this.ew32(E1000.FCAH, FLOW_CONTROL_ADDRESS[1]);
    this.ew32(E1000.FCAL, FLOW_CONTROL_ADDRESS[0]);
    this.ew32(E1000.FCTTV, this.fc_pause_time);
    this.e1000e_set_fc_watermarks();
    return 0;
  }

  e1000e_set_fc_watermarks(): void {
    const send = this.fc_current === 'full' || this.fc_current === 'tx_pause';
    this.ew32(E1000.FCRTL, send ? (this.fc_low_water | FCRTL_XONE) >>> 0 : 0);
    this.ew32(E1000.FCRTH, send ? this.fc_high_water : 0);
  }

  /** True when management firmware must not be disturbed. */
  e1000e_check_reset_block_generic(): boolean {
    const MANC_BLK_PHY_RST_ON_IDE = 0x40000;
    return (this.er32(E1000.MANC) & MANC_BLK_PHY_RST_ON_IDE) !== 0;
  }
  /** True when firmware uses the PHY even while the interface is down. */
  e1000_check_mng_mode_82574(): boolean {
    const MNG_MODE_MASK = 0x6000;
    const word = this.e1000e_read_nvm_eerd(NVM.INIT_CONTROL2);
    return word >= 0 && (word & MNG_MODE_MASK) !== 0;
  }

  e1000_clear_hw_cntrs_82571(): void {
    for (const r of BASE_COUNTERS) this.er32(E1000[r]);
    for (let i = 0; i < 6; i++) this.er32(E1000.PRC + 4 * i);
    for (let i = 0; i < 6; i++) this.er32(E1000.PTC + 4 * i);
    for (const r of LATER_COUNTERS) this.er32(E1000[r]);
  }

  /** Flow control in the MAC as negotiated. */
  e1000e_force_mac_fc(): void {
    const rx = this.fc_current === 'full' || this.fc_current === 'rx_pause' ? CTRL.RFCE : 0;
    const tx = this.fc_current === 'full' || this.fc_current === 'tx_pause' ? CTRL.TFCE : 0;
    this.update(E1000.CTRL, CTRL.RFCE | CTRL.TFCE, rx | tx);
  }

  /** Speed in Mb/s and duplex as STATUS says. */
  e1000e_get_speed_and_duplex_copper(): { speed: number; duplex: number } {
    const status = this.er32(E1000.STATUS);
    const speed = (status & STATUS.SPEED_1000) !== 0 ? 1000 : (status & STATUS.SPEED_100) !== 0 ? 100 : 10;
    return { speed, duplex: (status & STATUS.FD) !== 0 ? 1 : 0 };
  }
}
