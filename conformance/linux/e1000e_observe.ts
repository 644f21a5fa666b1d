// What a Linux guest says about an 82574L, question by question: asked with our device and with QEMU's, and compared.
import type { Guest } from './guest.ts';

const PCI = '/sys/bus/pci/devices/0000:00:05.0';
const ETHTOOL = '/usr/sbin/ethtool';
/** Kernel messages without their times. */
const plain = (pattern: string): string =>
  `dmesg | tail -n +$(cat /tmp/boot-lines) | grep -E '${pattern}' | sed -r 's/^\\[ *[0-9.]+\\] //'`;

/** Name → command. The answers are compared as texts. */
const QUESTIONS: Readonly<Record<string, string>> = {
  'PCI ids, class, revision, BARs': `cd ${PCI}; for f in vendor device subsystem_vendor subsystem_device class revision irq modalias resource; do echo "$f $(cat $f)"; done; cd /`,
  'the 256 bytes of configuration space': `dd if=${PCI}/config bs=256 count=1 2>/dev/null | hexdump -C`,
  'MSI-X vectors in use': `ls ${PCI}/msi_irqs | wc -l`,
  'interrupts by name': `grep eth0 /proc/interrupts | sed 's/ *[0-9]*: *[0-9]* */ /'`,
  'address, MTU, queue discipline': 'ip link show eth0; tc qdisc show dev eth0 | sed "s/ [0-9a-f]*: / /"',
  link: 'cd /sys/class/net/eth0; for f in carrier operstate speed duplex type; do echo "$f $(cat $f 2>&1)"; done; cd /',
  ethtool: `${ETHTOOL} eth0`,
  'ethtool -i': `${ETHTOOL} -i eth0`,
  'ethtool -k': `${ETHTOOL} -k eth0`,
  'ethtool -l': `${ETHTOOL} -l eth0 2>&1`,
  'ethtool -g': `${ETHTOOL} -g eth0`,
  'ethtool -c': `${ETHTOOL} -c eth0`,
  'ethtool -a': `${ETHTOOL} -a eth0`,
  'ethtool -d, but for the rings': `${ETHTOOL} -d eth0 | grep -vE '^0x0(2810|2818|3810|3818)'`,
  'ethtool -e': `${ETHTOOL} -e eth0`,
  'ethtool -T': `${ETHTOOL} -T eth0`,
  'ethtool -n rx-flow-hash tcp4': `${ETHTOOL} -n eth0 rx-flow-hash tcp4`,
  'ethtool --show-eee, --show-priv-flags': `${ETHTOOL} --show-eee eth0 2>&1; ${ETHTOOL} --show-priv-flags eth0`,
  'ethtool -S, the names': `${ETHTOOL} -S eth0 | sed 's/:.*//'`,
  'ethtool -S, everything but packets': `${ETHTOOL} -S eth0 | grep -vE '(packets|bytes|broadcast|multicast|csum|flow_control).*:'`,
  'kernel messages about the device': plain('0000:00:05|e1000e:|eth0'),
  'ethtool -t offline': `${ETHTOOL} -t eth0 offline; sleep 3`,
  'kernel messages of the self test': plain('pattern test|offline testing|unshared interrupt'),
};

/** Loads the driver with its parameters, brings eth0 up and waits for its link; answers eth0's address. */
export async function bringUp(guest: Guest, parameters = ''): Promise<string> {
  const r = await guest.run(
    `dmesg | wc -l > /tmp/boot-lines; modprobe e1000e ${parameters} && ip link set eth0 up && ${WAIT_FOR_LINK}; cat /sys/class/net/eth0/address`,
  );
  return r.out;
}

/** Until eth0 has its carrier, six seconds at most. (operstate may be behind.) */
export const WAIT_FOR_LINK =
  'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q 1 /sys/class/net/eth0/carrier && break; sleep 0.3; done';

export async function observe(guest: Guest): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  for (const [name, command] of Object.entries(QUESTIONS)) out.set(name, (await guest.run(command, 60_000)).out);
  return out;
}
