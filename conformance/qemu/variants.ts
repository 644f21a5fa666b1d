// The shapes of QEMU's virtio-net-pci that our driver must bring up: device options, what must be negotiated, how it must interrupt.

export interface Variant {
  readonly name: string;
  /** `-device` without what the rig adds. */
  readonly device: string;
  /** Features that QEMU must report as negotiated, and such that must not be. */
  readonly with?: readonly string[];
  readonly without?: readonly string[];
  /** Names in /proc/interrupts with the controller they go by, one per interrupt. */
  readonly interrupts?: RegExp;
  readonly mtu?: number;
  readonly cpus?: number;
  readonly machine?: 'q35' | 'microvm';
  /** Behind QEMU's intel-iommu: with line interrupts, as messages into a mailbox would have to be mapped. */
  readonly iommu?: boolean;
  /** More arguments of QEMU. */
  readonly args?: readonly string[];
}

const MODERN = 'virtio-net-pci,disable-legacy=on';
const PER_QUEUE = /PCI-MSI.*virtio0-config[^]*PCI-MSI.*virtio0-input\.0[^]*PCI-MSI.*virtio0-output\.0/;
const SHARED = /PCI-MSI.*virtio0-config[^]*PCI-MSI.*virtio0-virtqueues/;
const MMIO = 'virtio-net-device,bus=virtio-mmio-bus.0';
const MMIO_LINE = /IO-APIC +5-edge +virtio0/;
const MODERN_MMIO = ['-global', 'virtio-mmio.force-legacy=false'];
const INTX = /IO-APIC +21-fasteoi +virtio0/;

export const VARIANTS: readonly Variant[] = [
  {
    name: 'modern, split rings, MSI-X',
    device: MODERN,
    with: ['VERSION_1', 'EVENT_IDX', 'INDIRECT_DESC', 'MRG_RXBUF'],
    interrupts: PER_QUEUE,
  },
  { name: 'packed rings', device: `${MODERN},packed=on`, with: ['RING_PACKED'], interrupts: PER_QUEUE },
  { name: 'packed rings without event index', device: `${MODERN},packed=on,event_idx=off`, with: ['RING_PACKED'], without: ['EVENT_IDX'] },
  {
    name: 'packed rings without indirect descriptors',
    device: `${MODERN},packed=on,indirect_desc=off`,
    with: ['RING_PACKED'],
    without: ['INDIRECT_DESC'],
  },
  { name: 'two MSI-X vectors for all', device: `${MODERN},vectors=2`, interrupts: SHARED },
  { name: 'INTx', device: `${MODERN},vectors=0`, interrupts: INTX },
  { name: 'packed rings, INTx', device: `${MODERN},packed=on,vectors=0`, with: ['RING_PACKED'], interrupts: INTX },
  { name: 'a page per doorbell', device: `${MODERN},page-per-vq=on` },
  { name: 'transitional device, modern interface', device: 'virtio-net-pci,disable-legacy=off', with: ['VERSION_1'] },
  { name: 'legacy device', device: 'virtio-net-pci,disable-legacy=off,disable-modern=on', without: ['VERSION_1'], interrupts: PER_QUEUE },
  {
    name: 'legacy device, INTx',
    device: 'virtio-net-pci,disable-legacy=off,disable-modern=on,vectors=0',
    without: ['VERSION_1'],
    interrupts: INTX,
  },
  {
    name: 'legacy device, header of 10 bytes',
    device: 'virtio-net-pci,disable-legacy=off,disable-modern=on,mrg_rxbuf=off',
    without: ['VERSION_1', 'MRG_RXBUF'],
  },
  { name: 'no mergeable buffers', device: `${MODERN},mrg_rxbuf=off`, without: ['MRG_RXBUF'] },
  { name: 'no event index', device: `${MODERN},event_idx=off`, without: ['EVENT_IDX'] },
  { name: 'no indirect descriptors', device: `${MODERN},indirect_desc=off`, without: ['INDIRECT_DESC'] },
  {
    name: 'neither, nor merging',
    device: `${MODERN},event_idx=off,indirect_desc=off,mrg_rxbuf=off`,
    without: ['EVENT_IDX', 'INDIRECT_DESC'],
  },
  {
    name: 'no control queue',
    device: `${MODERN},ctrl_vq=off,ctrl_rx=off,ctrl_vlan=off,ctrl_mac_addr=off,guest_announce=off,mq=off`,
    without: ['CTRL_VQ'],
  },
  { name: 'no status field', device: `${MODERN},status=off`, without: ['STATUS'] },
  { name: 'receive ring of 1024', device: `${MODERN},rx_queue_size=1024` },
  { name: 'the device sets the MTU: 1280', device: `${MODERN},host_mtu=1280`, with: ['MTU'], mtu: 1280 },
  { name: 'doorbells answered at once', device: `${MODERN},ioeventfd=off` },
  { name: 'transmission by timer', device: `${MODERN},tx=timer` },
  { name: 'four processors', device: MODERN, cpus: 4 },
  { name: 'MMIO on a microvm', device: MMIO, machine: 'microvm', args: MODERN_MMIO, with: ['VERSION_1'], interrupts: MMIO_LINE },
  {
    name: 'MMIO, packed rings',
    device: `${MMIO},packed=on`,
    machine: 'microvm',
    args: MODERN_MMIO,
    with: ['RING_PACKED'],
    interrupts: MMIO_LINE,
  },
  { name: 'legacy MMIO', device: MMIO, machine: 'microvm', without: ['VERSION_1'], interrupts: MMIO_LINE },
  { name: 'behind an IOMMU', device: `${MODERN},iommu_platform=on,vectors=0`, iommu: true, with: ['IOMMU_PLATFORM'], interrupts: INTX },
  {
    name: 'behind an IOMMU, packed rings',
    device: `${MODERN},iommu_platform=on,vectors=0,packed=on`,
    iommu: true,
    with: ['IOMMU_PLATFORM', 'RING_PACKED'],
    interrupts: INTX,
  },
  {
    name: 'past an IOMMU, by physical addresses',
    device: `${MODERN},vectors=0`,
    iommu: true,
    without: ['IOMMU_PLATFORM'],
    interrupts: INTX,
  },
];
