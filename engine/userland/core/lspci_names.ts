// What pci.ids calls the functions of this world, and how lspci combines names and numbers.

/** Class and subclass. */
const CLASSES: Readonly<Record<string, string>> = Object.freeze({
  '0100': 'SCSI storage controller',
  '0106': 'SATA controller',
  '0200': 'Ethernet controller',
  '0300': 'VGA compatible controller',
  '0600': 'Host bridge',
  '0601': 'ISA bridge',
  '0604': 'PCI bridge',
  '0c05': 'SMBus',
});
/** Class, subclass and programming interface, where it has a name. */
const INTERFACES: Readonly<Record<string, string>> = Object.freeze({
  '010600': 'Vendor specific',
  '010601': 'AHCI 1.0',
  '010602': 'Serial Storage Bus',
  '030000': 'VGA controller',
  '060400': 'Normal decode',
});
const VENDORS: Readonly<Record<string, string>> = Object.freeze({
  '1af4': 'Red Hat, Inc.',
  '8086': 'Intel Corporation',
  '1b36': 'Red Hat, Inc.',
});
const DEVICES: Readonly<Record<string, string>> = Object.freeze({
  '1af4:1000': 'Virtio network device',
  '1af4:1041': 'Virtio 1.0 network device',
  '8086:10d3': '82574L Gigabit Network Connection',
  '8086:29c0': '82G33/G31/P35/P31 Express DRAM Controller',
  '8086:2918': '82801IB (ICH9) LPC Interface Controller',
  '8086:2922': '82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]',
  '8086:2930': '82801I (ICH9 Family) SMBus Controller',
});
/** Boards are listed under the function they carry. */
const SUBSYSTEMS: Readonly<Record<string, string>> = Object.freeze({
  '8086:29c0:1af4:1100': 'QEMU Virtual Machine',
  '8086:2918:1af4:1100': 'QEMU Virtual Machine',
  '8086:2922:1af4:1100': 'QEMU Virtual Machine',
  '8086:2930:1af4:1100': 'QEMU Virtual Machine',
});
const subsystemName = (f: PciNumbers): string | undefined => SUBSYSTEMS[`${f.vendor}:${f.device}:${f.subvendor}:${f.subdevice}`];

/** The numbers of a function, in hexadecimal as sysfs shows them. */
export interface PciNumbers {
  readonly vendor: string;
  readonly device: string;
  readonly subvendor: string;
  readonly subdevice: string;
  /** Class and subclass. */
  readonly classCode: string;
  readonly progIf: number;
}

export class PciNames {
  constructor(
    /** 0 names, 1 numbers, 2 both */
    private readonly numeric: number,
    /** False when the list of names was not found. */
    private readonly known: boolean,
  ) {}

  className(f: PciNumbers): string {
    return this.one(f.classCode, CLASSES[f.classCode], 'Class');
  }
  vendor(id: string): string {
    return this.one(id, VENDORS[id], 'Vendor');
  }
  device(f: PciNumbers): string {
    return this.one(f.device, DEVICES[`${f.vendor}:${f.device}`], 'Device');
  }
  subdevice(f: PciNumbers): string {
    return this.one(f.subdevice, subsystemName(f), 'Device');
  }
  /** Vendor and device in one. */
  vendorDevice(f: PciNumbers): string {
    return this.pair(f.vendor, f.device, DEVICES[`${f.vendor}:${f.device}`]);
  }
  subsystem(f: PciNumbers): string {
    return this.pair(f.subvendor, f.subdevice, subsystemName(f));
  }
  interface(f: PciNumbers): string | undefined {
    return this.known ? INTERFACES[f.classCode + f.progIf.toString(16).padStart(2, '0')] : undefined;
  }

  private one(id: string, name: string | undefined, kind: string): string {
    if (this.numeric === 1) return id;
    const text = this.known ? name : undefined;
    if (this.numeric === 2) return `${text ?? kind} [${id}]`;
    return text ?? `${kind} ${id}`;
  }

  private pair(vendor: string, device: string, name: string | undefined): string {
    const ids = `${vendor}:${device}`;
    if (this.numeric === 1) return ids;
    const maker = this.known ? VENDORS[vendor] : undefined;
    const both = this.numeric === 2;
    if (maker === undefined) return both ? `Device [${ids}]` : `Device ${ids}`;
    return `${maker} ${name ?? (both ? 'Device' : `Device ${device}`)}${both ? ` [${ids}]` : ''}`;
  }
}
