// /proc/net/vlan: the VLAN devices of the reader's namespace (Linux: net/8021q/vlanproc.c).
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../net_device.ts';
import type { VlanDevPriv } from '../vlan_core.ts';
import { type DirOps, type FileOps, GeneratedFile, S_IFREG, StaticDir, type VfsContext } from './node.ts';

/** Linux: enum netdev_priv_flags */
const PRIV_FLAG_BITS: readonly (readonly [string, number])[] = [
  ['IFF_802_1Q_VLAN', 1 << 0],
  ['IFF_TX_SKB_SHARING', 1 << 11],
  ['IFF_UNICAST_FLT', 1 << 12],
  ['IFF_LIVE_ADDR_CHANGE', 1 << 15],
  ['IFF_NO_QUEUE', 1 << 19],
];
/** The route of a packet is let go at transmit: what devices do unless they need it. */
const IFF_XMIT_DST_RELEASE = 1 << 5;

const row = (label: string, value: number): string => `${label.padStart(30)} ${String(value).padStart(12)}\n`;

function vlanDevice(kernel: Kernel, dev: NetDevice): string {
  const v = dev.priv as VlanDevPriv;
  const stats = kernel.net.dev_get_stats(dev);
  const flags = PRIV_FLAG_BITS.reduce((all, [name, bit]) => (dev.priv_flags.has(name) ? all | bit : all), IFF_XMIT_DST_RELEASE);
  const ingress = v.ingress.map((to, from) => `${from}:${to}${from < 6 ? '  ' : from === 6 ? ' ' : ''}`).join('');
  const egress = [...v.egress].map(([from, to]) => `${from}:${to} `).join('');
  return (
    `${dev.name}  VID: ${v.vlan_id}\t REORDER_HDR: ${v.flags & 1}  dev->priv_flags: ${flags.toString(16)}\n` +
    row('total frames received', stats.rx_packets) +
    row('total bytes received', stats.rx_bytes) +
    row('Broadcast/Multicast Rcvd', stats.multicast) +
    '\n' +
    row('total frames transmitted', stats.tx_packets) +
    row('total bytes transmitted', stats.tx_bytes) +
    `Device: ${v.real_dev.name}\nINGRESS priority mappings: ${ingress}\n EGRESS priority mappings: ${egress}\n`
  );
}

const vlansOf = (ctx: VfsContext): NetDevice[] => ctx.net.devices.filter((d) => d.kind === 'vlan');

const CONFIG: FileOps<undefined> = ops({
  read: (_kernel: Kernel, ctx: VfsContext): string =>
    'VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n' +
    vlansOf(ctx)
      .map((d) => `${d.name.padEnd(15)}| ${(d.priv as VlanDevPriv).vlan_id}  | ${(d.priv as VlanDevPriv).real_dev.name}\n`)
      .join(''),
});
const DEVICE: FileOps<NetDevice> = ops({ read: (kernel: Kernel, _ctx: VfsContext, dev: NetDevice) => vlanDevice(kernel, dev) });

export const PROC_VLAN: DirOps = ops({
  build(kernel: Kernel, ctx: VfsContext): StaticDir {
    const dir = new StaticDir().add('config', new GeneratedFile(kernel, S_IFREG | 0o600, CONFIG, undefined));
    for (const dev of vlansOf(ctx)) dir.add(dev.name, new GeneratedFile(kernel, S_IFREG | 0o600, DEVICE, dev));
    return dir;
  },
});
