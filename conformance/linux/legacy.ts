// The other ways to reach our device from the same Linux: its legacy interface through I/O ports, and its interrupt line instead of messages.
import { VIRTIO_MSI_NO_VECTOR } from '../../engine/virtio/pci_cfg.ts';
import { F } from '../../engine/virtio/features.ts';
import type { Report } from './report.ts';
import type { Rig } from './rig.ts';

const PCI = '/sys/bus/pci/devices/0000:00:05.0';
const ADDRESS = '10.9.0.1/24';
const PEER = '10.9.0.2';
const COUNT = 50;

interface Way {
  readonly name: string;
  /** Parameters of virtio_pci. */
  readonly options: string;
  /** May eth0's function use MSI-X? */
  readonly messages: boolean;
  /** Handlers as /proc/interrupts lists them, without the number of the virtio device. */
  readonly interrupts: RegExp;
}

const WAYS: readonly Way[] = [
  {
    name: 'the legacy interface',
    options: 'force_legacy=1',
    messages: true,
    interrupts: /^PCI-MSI .*-config\nPCI-MSI .*-input\.0\nPCI-MSI .*-output\.0/,
  },
  { name: 'the legacy interface on the line', options: 'force_legacy=1', messages: false, interrupts: /^IO-APIC 21-fasteoi virtio\d$/ },
  { name: 'the modern interface on the line', options: '', messages: false, interrupts: /^IO-APIC 21-fasteoi virtio\d$/ },
];

/** Each way: the modules anew, what Linux negotiated and how it is interrupted, pings of two sizes. */
export async function otherWays(rig: Rig, report: Report): Promise<void> {
  const { guest, nics, qtest } = rig;
  const { pci } = nics[0];
  const { out: mac } = await guest.run(`cat ${PCI}/virtio*/net/*/address`);
  const reload = (way: Way | undefined): Promise<{ out: string; status: number }> =>
    guest.run(
      [
        'rmmod virtio_net',
        'rmmod virtio_pci',
        `echo ${way?.messages === false ? 0 : 1} > ${PCI}/msi_bus`,
        `modprobe virtio_pci ${way?.options ?? ''}`,
        'modprobe virtio_net',
        `D=$(ls ${PCI}/virtio*/net)`,
        `ip addr replace ${ADDRESS} dev $D`,
        'ip link set $D up',
        'sleep 0.3',
      ].join(' && '),
    );
  for (const way of WAYS) {
    const before = qtest.lines;
    const { out, status } = await reload(way);
    const legacy = way.options !== '';
    const modern = (pci.driverFeatures & F.VIRTIO_F_VERSION_1) !== 0n;
    const irqs = await guest.run(
      `V=$(basename $(ls -d ${PCI}/virtio*)); grep "$V" /proc/interrupts | sed -r 's/^ *[0-9]+:( +[0-9]+)+ +//; s/ +/ /g; s/PCI-MSI [0-9]+-edge/PCI-MSI/'`,
    );
    const vectors = pci.queues.slice(0, 2).every((q) => (q.vector === VIRTIO_MSI_NO_VECTOR) === !way.messages);
    report.check(
      `${way.name}: Linux brings eth0 up`,
      status === 0 && modern !== legacy && way.interrupts.test(irqs.out.trim()) && vectors,
      `status ${pci.status}, ${modern ? 'VERSION_1' : 'no VERSION_1'}; ${irqs.out.trim().replaceAll('\n', ', ')} ${out}`,
    );
    for (const size of [56, 1472]) {
      const { out: said } = await guest.run(`ping -q -A -W 1 -w 20 -c ${COUNT} -s ${size} ${PEER}`);
      const ok = new RegExp(`^${COUNT} packets transmitted, ${COUNT} packets received`, 'm').test(said);
      report.check(
        `${way.name}: ${COUNT} pings of ${size} bytes, none lost`,
        ok,
        ok ? (/^.*packets transmitted.*$/m.exec(said)?.[0] ?? '') : said,
      );
    }
    if (!way.messages)
      report.check(`${way.name}: the line went up and down`, qtest.lines > before + COUNT, `${qtest.lines - before} changes`);
  }
  const { out, status } = await reload(undefined);
  report.check(`back on messages and the modern interface (${mac.trim()})`, status === 0 && pci.status === 0x0f, out);
}
