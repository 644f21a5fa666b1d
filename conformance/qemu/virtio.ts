// virtio-net on QEMU's virtio-net-pci: each variant through one life, then what only QEMU itself can tell.
import { VTD_BASE, VTD_GCMD, VTD_REG } from '../../engine/platform/vtd.ts';
import {
  bringUp,
  type Check,
  complaints,
  counted,
  everySize,
  expect,
  flap,
  load,
  ownMac,
  pings,
  reloads,
  sizes,
  unload,
} from './exercise.ts';
import { compareRings, deviceFeatures, deviceStatus, rxFilter } from './introspect.ts';
import type { Rig } from './rig.ts';
import { streams } from './streams.ts';
import type { Variant } from './variants.ts';

export const VIRTIO_MODULES = ['virtio_pci', 'virtio_net'] as const;
const MMIO_MODULES = ['virtio_mmio', 'virtio_net'] as const;
/** microvm's first place for a virtio-mmio device, and its line. */
export const MMIO_DEVICE = 'virtio_mmio.device=512@0xfeb00000:5';

/** A variant's life; the row's words, or an exception that says what did not hold. */
export async function lifeOf(rig: Rig, v: Variant, echoes: number): Promise<string> {
  const modules = v.machine === 'microvm' ? MMIO_MODULES : VIRTIO_MODULES;
  await load(rig, modules);
  if (!ownMac(rig)) throw new Error(`eth0 has not the address QEMU gave`);
  const features = await deviceFeatures(rig);
  for (const f of v.with ?? []) if (!features.includes(f)) throw new Error(`${f} was not negotiated: ${features.join(' ')}`);
  for (const f of v.without ?? []) if (features.includes(f)) throw new Error(`${f} was negotiated`);
  const before = { fromNic: rig.port.received, toNic: rig.port.sent };
  await bringUp(rig);
  if (v.mtu !== undefined && rig.dev.mtu !== v.mtu) throw new Error(`the MTU is ${rig.dev.mtu}`);
  if (v.mtu !== undefined) await rig.runOnPeer(`ip link set eth0 mtu ${v.mtu}`);
  await pings(rig, 'out', echoes);
  await pings(rig, 'in', echoes);
  const more = await sizes(rig, v.mtu);
  await settle(rig);
  const { out } = await rig.run('cat /proc/interrupts');
  if (v.interrupts !== undefined && !v.interrupts.test(out)) throw new Error(`interrupts are others than expected:\n${out}`);
  const { wrong, seen } = await compareRings(rig);
  const translating = v.iommu === true && (rig.qemu.qtest.read(VTD_BASE + VTD_REG.GSTS, 4) & VTD_GCMD.TE) !== 0;
  if (v.iommu === true && !translating) wrong.push('the IOMMU does not translate');
  const frames = counted(rig, before);
  wrong.push(...(await unload(rig, modules)));
  const status = await deviceStatus(rig);
  if (status.includes('DRIVER_OK')) wrong.push(`the device was left running: ${status.join(' ')}`);
  wrong.push(...complaints(rig));
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return `${2 * echoes + more} echoes, ${frames}, rings ${seen}`;
}

/** QEMU's device without a control queue still offers what needs one (virtio-v1.2 §5.1.3.1): Linux: virtnet_validate_features(). */
export async function refusal(rig: Rig): Promise<string> {
  await load(rig, VIRTIO_MODULES);
  const said = rig
    .dmesg(40)
    .split('\n')
    .find((l) => l.includes('device advertises feature VIRTIO_NET_F_CTRL_RX but not VIRTIO_NET_F_CTRL_VQ'));
  expect(said !== undefined && rig.kernel.init_net.__dev_get_by_name('eth0') === undefined, rig.dmesg(6));
  expect(!(await deviceStatus(rig)).includes('DRIVER_OK'), 'the device runs');
  return said ?? '';
}

/** What is under way arrives. */
const settle = (rig: Rig): Promise<void> => rig.pump.pass(60);

/** One device with everything on, questioned by QMP. Each check leaves the interface up and reachable. */
export const DETAILS: readonly Check[] = [
  {
    name: 'bring-up',
    async run(rig) {
      await load(rig, VIRTIO_MODULES);
      await bringUp(rig);
      await pings(rig, 'out', 10);
      return (await deviceFeatures(rig)).join(' ');
    },
  },
  {
    name: '500 echoes each way, and one of every size to the MTU',
    async run(rig) {
      await pings(rig, 'out', 500);
      await pings(rig, 'in', 500);
      const more = await everySize(rig, 1472);
      const r = await compareRings(rig);
      expect(r.wrong.length === 0, r.wrong.join('\n'));
      return `${1000 + more} echoes, rings ${r.seen}`;
    },
  },
  { name: 'TCP streams both ways', run: streams },
  { name: 'set_link off and on: config-change interrupt, carrier, and back', run: flap },
  {
    name: 'promiscuous and all-multicast mode, seen by query-rx-filter',
    async run(rig) {
      const seen: string[] = [];
      for (const [command, promiscuous, multicast] of [
        ['ip link set eth0 promisc on', true, 'normal'],
        ['ip link set eth0 promisc off', false, 'normal'],
        ['ip link set eth0 allmulticast on', false, 'all'],
        ['ip link set eth0 allmulticast off', false, 'normal'],
      ] as const) {
        await rig.must(command);
        const f = await rxFilter(rig);
        expect(f.promiscuous === promiscuous && f.multicast === multicast, `${command}: ${JSON.stringify(f)}`);
        seen.push(`${f.promiscuous}/${f.multicast}`);
      }
      return seen.join(' ');
    },
  },
  {
    name: 'the multicast table is the one of `ip maddress`',
    async run(rig) {
      await rig.must('ip maddress add 33:33:00:00:12:34 dev eth0');
      const { out } = await rig.run('ip maddress show dev eth0');
      const ours = [...out.matchAll(/link +(\S+)/g)].map((m) => m[1]).sort();
      const theirs = [...(await rxFilter(rig))['multicast-table']].sort();
      expect(ours.length > 0 && String(ours) === String(theirs), `ours ${ours.join(' ')}\nQEMU's ${theirs.join(' ')}`);
      await rig.must('ip maddress del 33:33:00:00:12:34 dev eth0');
      return theirs.join(' ');
    },
  },
  {
    name: 'a new MAC address reaches the device, and traffic follows it',
    async run(rig) {
      await rig.must('ip link set eth0 address 52:54:00:aa:bb:99');
      const mac = (await rxFilter(rig))['main-mac'];
      expect(mac === '52:54:00:aa:bb:99', `QEMU has ${mac}`);
      await rig.runOnPeer('ip neigh flush dev eth0');
      await pings(rig, 'in', 10);
      await rig.must('ip link set eth0 address 52:54:00:aa:bb:cc');
      await rig.runOnPeer('ip neigh flush dev eth0');
      await pings(rig, 'in', 10);
      return `${mac}, 20 echoes`;
    },
  },
  {
    name: 'ethtool -G: rings of another size by RING_RESET, under traffic',
    async run(rig) {
      expect((await deviceFeatures(rig)).includes('RING_RESET'), 'RING_RESET was not negotiated');
      const seen: string[] = [];
      for (const [rx, tx] of [
        [128, 64],
        [32, 256],
        [256, 256],
      ]) {
        await rig.must(`ethtool -G eth0 rx ${rx} tx ${tx}`);
        const r = await compareRings(rig);
        expect(r.wrong.length === 0 && new RegExp(`^0: ${rx}\\b.* 1: ${tx}\\b`).test(r.seen), [r.seen, ...r.wrong].join('\n'));
        await pings(rig, 'out', 40);
        await pings(rig, 'in', 40);
        seen.push(`${rx}/${tx}`);
      }
      return `rx/tx ${seen.join(', ')}, 240 echoes`;
    },
  },
  { name: 'rmmod and modprobe three times: as before, and no memory is lost', run: (rig) => reloads(rig, VIRTIO_MODULES) },
  {
    name: 'unbind and bind by sysfs',
    async run(rig) {
      rig.write('/sys/bus/virtio/drivers/virtio_net/unbind', 'virtio0');
      expect(!(await deviceStatus(rig)).includes('DRIVER_OK'), 'the device runs on');
      rig.write('/sys/bus/virtio/drivers/virtio_net/bind', 'virtio0');
      await bringUp(rig);
      await pings(rig, 'out', 10);
      return (await deviceStatus(rig)).join(' ');
    },
  },
];
