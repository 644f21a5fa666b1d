// What a Linux guest says about its NIC, question by question: asked with our device and with QEMU's, and compared.
import type { Guest } from './guest.ts';

const PCI = '/sys/bus/pci/devices/0000:00:05.0';
const ETHTOOL = '/usr/sbin/ethtool';

/** Name → command. The answers are compared as texts. */
const QUESTIONS: Readonly<Record<string, string>> = {
  'PCI ids, class, revision, BARs': `cd ${PCI}; for f in vendor device subsystem_vendor subsystem_device class revision irq modalias resource; do echo "$f $(cat $f)"; done; cd /`,
  'the 256 bytes of configuration space': `hexdump -C ${PCI}/config`,
  'MSI-X vectors in use': `ls ${PCI}/msi_irqs`,
  'interrupts by name': `grep virtio0 /proc/interrupts | sed 's/ *[0-9]*: *[0-9]* */ /'`,
  'virtio ids and status': `cd /sys/bus/virtio/devices/virtio0; for f in vendor device status modalias; do echo "$f $(cat $f)"; done; cd /`,
  'negotiated feature bits': 'cat /sys/bus/virtio/devices/virtio0/features',
  'address, MTU, queue discipline': 'ip link show eth0; tc qdisc show dev eth0 | sed "s/ [0-9a-f]*: / /"',
  'transmit and receive queues': 'ls /sys/class/net/eth0/queues; cat /sys/class/net/eth0/queues/tx-*/xps_cpus',
  link: 'cd /sys/class/net/eth0; for f in carrier operstate speed duplex type; do echo "$f $(cat $f 2>&1)"; done; cd /',
  'ethtool -i': `${ETHTOOL} -i eth0`,
  'ethtool -k': `${ETHTOOL} -k eth0`,
  'ethtool -l': `${ETHTOOL} -l eth0`,
  'ethtool -g': `${ETHTOOL} -g eth0`,
  'ethtool -c': `${ETHTOOL} -c eth0`,
  'ethtool -S, the names': `${ETHTOOL} -S eth0 | sed 's/:.*//'`,
  'kernel messages about the device': `dmesg | grep -E '0000:00:05|virtio|eth0' | sed -r 's/^\\[ *[0-9.]+\\] //'`,
};

/** Loads the drivers, brings eth0 up and waits for Linux to have noticed its carrier. Answers eth0's address. */
export async function bringUp(guest: Guest): Promise<string> {
  const r = await guest.run(
    'dmesg | wc -l > /tmp/boot-lines; modprobe virtio_pci && modprobe virtio_net && ip link set eth0 up && for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; grep -q up /sys/class/net/eth0/operstate && break; done; cat /sys/class/net/eth0/address',
  );
  return r.out;
}

export async function observe(guest: Guest): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  for (const [name, command] of Object.entries(QUESTIONS)) out.set(name, (await guest.run(command)).out);
  return out;
}
