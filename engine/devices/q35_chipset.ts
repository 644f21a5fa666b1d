// The functions every q35 has on bus 0: host bridge, ISA bridge, SATA and SMBus controllers, as QEMU and SeaBIOS leave their configuration space.
import { AhciSataCap, PCI_CAP_ID } from '../pci/capabilities.ts';
import { ICH9_LPC, PCI_COMMAND, PCI_DEVFN, PciHeader, Q35_MCH } from '../pci/config_space.ts';
import { PCI_DEVICE_ID, PCI_VENDOR_ID, QEMU_SUBSYSTEM } from '../pci/ids.ts';
import { ECAM_BASE } from '../platform/bus.ts';
import type { Platform } from '../platform/platform.ts';
import { PciFunction } from './pci_function.ts';

const MULTIFUNCTION = 0x80;
/** Lines behind PIRQA# to PIRQD# and again E# to H# (SeaBIOS: pci_irqs). */
export const PIRQ_LINES = [10, 10, 11, 11] as const;
/** Where SeaBIOS puts the power management ports and the chipset's memory-mapped registers. */
const PM_BASE = 0x600;
const RCRB_BASE = 0xfed1c000;
/** ICH9's AHCI: address map (offset 0x90) says AHCI mode; the SATA capability points to the index/data pair behind BAR 4. */
const AHCI = { MSI: 0x80, MAP: 0x90, MAP_AHCI: 0x40, SATA: 0xa8 } as const;
const SMBUS = { HOST_CONFIG: 0x40, ENABLE: 0x1 } as const;

function board(name: string, device: number, classCode: number, revision: number, port?: PciFunction['port']): PciFunction {
  const fn = new PciFunction(
    name,
    {
      vendor: PCI_VENDOR_ID.INTEL,
      device,
      classCode,
      revision,
      interruptPin: port === undefined && device !== PCI_DEVICE_ID.ICH9_SMBUS ? 0 : 1,
      subsystemVendor: QEMU_SUBSYSTEM.VENDOR,
      subsystemId: QEMU_SUBSYSTEM.DEVICE,
    },
    port,
  );
  return fn;
}

/** 82G33/Q35 MCH: where the ECAM window lies, and which part of the first mebibyte is RAM (SeaBIOS leaves it writable). */
function mch(): PciFunction {
  const fn = board('mch 00:00.0', PCI_DEVICE_ID.Q35_MCH, 0x060000, 0);
  fn.config.setU8(Q35_MCH.EXT_CONFIG, 0x10);
  fn.config.setU32(Q35_MCH.PCIEXBAR, ECAM_BASE | 1);
  fn.config.setU8(Q35_MCH.PAM0, 0x10);
  for (let i = 1; i <= 5; i++) fn.config.setU8(Q35_MCH.PAM0 + i, 0x11);
  fn.config.setU8(Q35_MCH.PAM0 + 6, 0x33);
  fn.config.setU8(Q35_MCH.SMRAM, 0x0a);
  fn.config.setU8(Q35_MCH.ESMRAMC, 0x38);
  return fn;
}

/** ICH9's LPC bridge: power management, interrupt routing, the root complex registers. */
function lpc(): PciFunction {
  const fn = board('ICH9-LPC 00:1f.0', PCI_DEVICE_ID.ICH9_LPC, 0x060100, 2);
  const { config } = fn;
  config.setU32(ICH9_LPC.PMBASE, PM_BASE | 1);
  config.setU8(ICH9_LPC.ACPI_CNTL, 0x80);
  for (let i = 0; i < 4; i++) {
    config.setU8(ICH9_LPC.PIRQA_ROUT + i, PIRQ_LINES[i]);
    config.setU8(ICH9_LPC.PIRQE_ROUT + i, PIRQ_LINES[i]);
    fn.allow(ICH9_LPC.PIRQA_ROUT + i, 1, 'rw', 0x8f);
    fn.allow(ICH9_LPC.PIRQE_ROUT + i, 1, 'rw', 0x8f);
  }
  config.setU8(ICH9_LPC.LPC_EN, 0x01);
  config.setU8(ICH9_LPC.GEN_PMCON_1, 0x10);
  config.setU32(ICH9_LPC.RCBA, RCRB_BASE | 1);
  return fn;
}

/** Only configuration space is modelled: its registers read as ones, and this kernel has no driver for it. */
function ahci(platform: Platform): PciFunction {
  const fn = board('ich9-ahci 00:1f.2', PCI_DEVICE_ID.ICH9_AHCI, 0x010601, 2, platform.dmaPort());
  fn.addBar(4, 'io', 0x20, undefined);
  fn.addBar(5, 'mem32', 0x1000, undefined);
  const at = fn.addCapability(PCI_CAP_ID.SATA, AHCI.SATA);
  AhciSataCap.revision.set(fn.config, at, 0x0010);
  AhciSataCap.location.set(fn.config, at, 0x48);
  fn.addMsi(AHCI.MSI, { vectors: 1, wide: true, maskable: false }, platform.scope);
  fn.config.setU8(AHCI.MAP, AHCI.MAP_AHCI);
  // SeaBIOS looked for a disk to boot from
  fn.config.setU16(PciHeader.command.offset, PCI_COMMAND.MASTER);
  return fn;
}

function smbus(): PciFunction {
  const fn = board('ICH9-SMB 00:1f.3', PCI_DEVICE_ID.ICH9_SMBUS, 0x0c0500, 2);
  fn.addBar(4, 'io', 0x40, undefined);
  fn.config.setU8(SMBUS.HOST_CONFIG, SMBUS.ENABLE);
  return fn;
}

/** By devfn. */
export function q35Chipset(platform: Platform): (readonly [number, PciFunction])[] {
  const ich9 = [lpc(), ahci(platform), smbus()] as const;
  for (const fn of ich9) fn.config.setU8(PciHeader.header_type.offset, MULTIFUNCTION);
  return [
    [PCI_DEVFN(0, 0), mch()],
    [PCI_DEVFN(0x1f, 0), ich9[0]],
    [PCI_DEVFN(0x1f, 2), ich9[1]],
    [PCI_DEVFN(0x1f, 3), ich9[2]],
  ];
}
