// /sys/class/net/NAME: attributes, queues and statistics of a network device (Linux: net/core/net-sysfs.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Device } from '../device.ts';
import { type Dql, DQL_MAX_LIMIT } from '../dql.ts';
import type { Kernel } from '../kernel.ts';
import { IF_OPER, IFF, LINK_STATS, type LinkStats, type NetDevice } from '../net_device.ts';
import { DirNode, GeneratedFile, S_IFDIR, S_IFREG, StaticDir, StaticLink, type FileOps, type VfsContext, type VNode } from './node.ts';
import { devicePath, netDevicePath, relativeLink } from './paths.ts';
import { makePowerDir } from './sysfs_power.ts';
import { maskText } from './proc_irq.ts';

const RO = S_IFREG | 0o444;
const RW = S_IFREG | 0o644;
/** Size that sysfs gives every text attribute. */
const PAGE = 4096;

type NetOps = FileOps<NetDevice>;
type Value = string | number;

const gone = (dev: NetDevice): boolean => dev.reg_state !== 'registered';
const running = (dev: NetDevice): boolean => dev.started;
const mac = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':');
const hex = (n: number): string => `0x${n.toString(16)}`;

/** Text, or -errno as a negative number. */
type ShowNet = (dev: NetDevice, kernel: Kernel) => Value;
const attr = (show: ShowNet): NetOps =>
  ops({
    read: (kernel: Kernel, _ctx: VfsContext, dev: NetDevice) => {
      if (gone(dev)) return -Errno.EINVAL;
      const value = show(dev, kernel);
      return typeof value === 'number' ? value : `${value}\n`;
    },
  });
/** A number in any of C's notations; the device's own errno when it does not like it. */
const attrRw = (show: ShowNet, store: (dev: NetDevice, value: number, kernel: Kernel) => number): NetOps =>
  ops({
    ...attr(show),
    write: (kernel: Kernel, _ctx: VfsContext, dev: NetDevice, data: string) => {
      const text = data.trim();
      const value = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : NaN;
      if (Number.isNaN(value)) return -Errno.EINVAL;
      return gone(dev) ? -Errno.ENODEV : store(dev, value, kernel);
    },
  });
/** A setting that the kernel here does not have beyond its default. */
const onlyDefault = (_dev: NetDevice, value: number): number => (value === 0 ? 0 : -Errno.EOPNOTSUPP);

function setGroup(dev: NetDevice, value: number): number {
  dev.group = value;
  return 0;
}

const OPER_NAMES = Object.freeze(['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up']);
const KERNEL_ONLY_FLAGS = IFF.RUNNING | IFF.LOWER_UP | IFF.DORMANT;

function linkSetting(dev: NetDevice, kernel: Kernel, which: 'speed' | 'duplex'): Value {
  if (!running(dev)) return -Errno.EINVAL;
  const link = kernel.ethtool.linkKsettings(dev);
  if (typeof link === 'number') return -Errno.EINVAL;
  if (which === 'speed') return String(link.speed);
  return link.duplex === 0 ? 'half' : link.duplex === 1 ? 'full' : 'unknown';
}

const IFALIAS: NetOps = ops({
  read: (_k: Kernel, _ctx: VfsContext, dev: NetDevice) => (dev.ifalias === '' ? '' : `${dev.ifalias}\n`),
  write: (_k: Kernel, _ctx: VfsContext, dev: NetDevice, data: string) => {
    dev.ifalias = data.replace(/\n$/, '');
    return 0;
  },
});
const UEVENT: NetOps = ops({
  read: (_k: Kernel, _ctx: VfsContext, dev: NetDevice) => `INTERFACE=${dev.name}\nIFINDEX=${dev.ifindex}\n`,
  write: () => 0,
});
const unsupported = attr(() => -Errno.EOPNOTSUPP);

const ATTRIBUTES: ReadonlyMap<string, readonly [number, NetOps]> = new Map<string, readonly [number, NetOps]>([
  ['addr_assign_type', [RO, attr((d) => String(d.addr_assign_type))]],
  ['addr_len', [RO, attr((d) => String(d.addr_len))]],
  ['address', [RO, attr((d) => mac(d.dev_addr))]],
  ['broadcast', [RO, attr((d) => mac(d.broadcast))]],
  [
    'carrier',
    [
      RW,
      attrRw(
        (d) => (running(d) ? (d.nocarrier ? '0' : '1') : -Errno.EINVAL),
        (d) => (running(d) ? -Errno.EOPNOTSUPP : -Errno.EINVAL),
      ),
    ],
  ],
  ['carrier_changes', [RO, attr((d) => String(d.carrier_up_count + d.carrier_down_count))]],
  ['carrier_down_count', [RO, attr((d) => String(d.carrier_down_count))]],
  ['carrier_up_count', [RO, attr((d) => String(d.carrier_up_count))]],
  ['dev_id', [RO, attr(() => '0x0')]],
  ['dev_port', [RO, attr(() => '0')]],
  ['dormant', [RO, attr((d) => (running(d) ? (d.operstate === IF_OPER.DORMANT ? '1' : '0') : -Errno.EINVAL))]],
  ['duplex', [RO, attr((d, k) => linkSetting(d, k, 'duplex'))]],
  [
    'flags',
    [
      RW,
      attrRw(
        (d) => hex(d.flags & ~KERNEL_ONLY_FLAGS),
        (d, value, k) => k.net.dev_change_flags(d, value),
      ),
    ],
  ],
  [
    'gro_flush_timeout',
    [
      RW,
      attrRw(
        (d) => String(d.gro_flush_timeout),
        (d, value) => {
          d.gro_flush_timeout = value;
          return 0;
        },
      ),
    ],
  ],
  ['ifalias', [RW, IFALIAS]],
  ['ifindex', [RO, attr((d) => String(d.ifindex))]],
  ['iflink', [RO, attr((d) => String(d.netdev_ops.ndo_get_iflink?.(d) ?? d.ifindex))]],
  ['link_mode', [RO, attr((d) => String(d.link_mode))]],
  [
    'mtu',
    [
      RW,
      attrRw(
        (d) => String(d.mtu),
        (d, value, k) => k.net.dev_set_mtu(d, value),
      ),
    ],
  ],
  ['name_assign_type', [RO, attr((d) => (d.name_assign_type === 0 ? -Errno.EINVAL : String(d.name_assign_type)))]],
  [
    'napi_defer_hard_irqs',
    [
      RW,
      attrRw(
        (d) => String(d.napi_defer_hard_irqs),
        (d, value) => {
          // a C int
          d.napi_defer_hard_irqs = value | 0;
          return 0;
        },
      ),
    ],
  ],
  ['netdev_group', [RW, attrRw((d) => String(d.group), setGroup)]],
  ['operstate', [RO, attr((d) => OPER_NAMES[running(d) ? d.operstate : IF_OPER.DOWN])]],
  ['phys_port_id', [RO, unsupported]],
  ['phys_port_name', [RO, attr((d) => d.netdev_ops.ndo_get_phys_port_name?.(d) ?? -Errno.EOPNOTSUPP)]],
  ['phys_switch_id', [RO, unsupported]],
  ['proto_down', [RW, attrRw(() => '0', onlyDefault)]],
  ['speed', [RO, attr((d, k) => linkSetting(d, k, 'speed'))]],
  ['testing', [RO, attr((d) => (running(d) ? (d.operstate === IF_OPER.TESTING ? '1' : '0') : -Errno.EINVAL))]],
  [
    'threaded',
    [
      RW,
      attrRw(
        (d) => (d.threaded ? '1' : '0'),
        (d, value, k) => (d.napis.length === 0 || value > 1 ? -Errno.EOPNOTSUPP : k.net.napi.dev_set_threaded(d, value === 1)),
      ),
    ],
  ],
  [
    'tx_queue_len',
    [
      RW,
      attrRw(
        (d) => String(d.tx_queue_len),
        (d, value, k) => k.net.dev_change_tx_queue_len(d, value),
      ),
    ],
  ],
  ['type', [RO, attr((d) => String(d.type))]],
  ['uevent', [RW, UEVENT]],
]);

interface StatArg {
  readonly dev: NetDevice;
  readonly name: keyof LinkStats;
}
const STATISTIC: FileOps<StatArg> = ops({
  read: (kernel: Kernel, _ctx: VfsContext, { dev, name }: StatArg) =>
    gone(dev) ? -Errno.EINVAL : `${kernel.net.dev_get_stats(dev)[name]}\n`,
});

/** The directory of one device. */
export class NetDeviceDir extends DirNode {
  readonly mode = S_IFDIR | 0o755;
  constructor(
    readonly kernel: Kernel,
    private readonly dev: NetDevice,
  ) {
    super();
  }
  list(_ctx: VfsContext): readonly string[] {
    return [...ATTRIBUTES.keys(), ...(this.dev.parent === undefined ? [] : ['device']), 'power', 'queues', 'statistics', 'subsystem'];
  }
  lookup(_ctx: VfsContext, name: string): VNode | undefined {
    const { kernel, dev } = this;
    const found = ATTRIBUTES.get(name);
    if (found !== undefined) return new GeneratedFile(kernel, found[0], found[1], dev, PAGE);
    const here = netDevicePath(dev);
    switch (name) {
      case 'device':
        return dev.parent === undefined ? undefined : new StaticLink(relativeLink(here, devicePath(dev.parent)), 0);
      case 'subsystem':
        return new StaticLink(relativeLink(here, 'class/net'), 0);
      case 'power':
        return makePowerDir(kernel);
      case 'queues':
        return makeQueuesDir(kernel, dev);
      case 'statistics':
        return makeStatisticsDir(kernel, dev);
      default:
        return undefined;
    }
  }
}

function makeStatisticsDir(kernel: Kernel, dev: NetDevice): StaticDir {
  const dir = new StaticDir(S_IFDIR | 0o755);
  for (const name of LINK_STATS) dir.add(name, new GeneratedFile(kernel, RO, STATISTIC, { dev, name }, PAGE));
  return dir;
}

interface QueueArg {
  readonly dev: NetDevice;
  readonly index: number;
}
type ShowQueue = (q: QueueArg, kernel: Kernel) => Value;
const queueAttr = (show: ShowQueue, store?: (q: QueueArg, data: string, kernel: Kernel) => number): FileOps<QueueArg> =>
  ops({
    read: (kernel: Kernel, _ctx: VfsContext, q: QueueArg) => {
      const value = show(q, kernel);
      return typeof value === 'number' ? value : `${value}\n`;
    },
    ...(store === undefined ? {} : { write: (k: Kernel, _ctx: VfsContext, q: QueueArg, data: string): number => store(q, data, k) }),
  });
/** Only what a queue has anyway may be written: steering by software is not here. */
const storeZero = (_q: QueueArg, data: string): number => (/^[0,]+$/.test(data.trim()) ? 0 : -Errno.EOPNOTSUPP);
/** Linux: attributes of multi-queue devices give ENOENT elsewhere. */
const multiqueue =
  (show: ShowQueue): ShowQueue =>
  (q, kernel) =>
    q.dev.num_tx_queues > 1 ? show(q, kernel) : -Errno.ENOENT;

/** A bitmap: groups of hexadecimal digits between commas, from the last one on. -EINVAL, or -EOVERFLOW for more than `bits`. */
function parseBitmap(text: string, bits: number): bigint | number {
  const groups = text.trim() === '' ? [] : text.trim().split(',').reverse();
  let mask = 0n;
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9a-fA-F]*$/.test(group)) return -Errno.EINVAL;
    if (i >= Math.ceil(bits / 32) || group.length > 8) return -Errno.EOVERFLOW;
    mask |= BigInt(`0x0${group}`) << BigInt(32 * i);
  }
  return mask >> BigInt(bits) === 0n ? mask : -Errno.EOVERFLOW;
}
const bitmapText = (mask: bigint, bits: number): string =>
  mask
    .toString(16)
    .padStart(Math.ceil(bits / 4), '0')
    .replace(/(?!^)(?=(?:.{8})+$)/g, ',');
function cpuMask(text: string, kernel: Kernel): number {
  const mask = parseBitmap(text, kernel.platform.cpus.list.length);
  return Number(mask);
}
const storeMask =
  (store: (q: QueueArg, mask: number, kernel: Kernel) => number) =>
  (q: QueueArg, data: string, kernel: Kernel): number => {
    const mask = cpuMask(data, kernel);
    return mask < 0 ? mask : store(q, mask, kernel);
  };

const RX_FILES: readonly (readonly [string, number, FileOps<QueueArg>])[] = [
  [
    'rps_cpus',
    RW,
    queueAttr(
      (q, k) => maskText(k, q.dev.rps[q.index]?.mask ?? 0),
      storeMask((q, mask, k) => k.net.rps.store_rps_map(q.dev, q.index, mask)),
    ),
  ],
  [
    'rps_flow_cnt',
    RW,
    queueAttr(
      (q) => String(q.dev.rps[q.index]?.flowCpu.length ?? 0),
      (q, data, k) =>
        /^\d+$/.test(data.trim()) ? k.net.rps.store_rps_dev_flow_table_cnt(q.dev, q.index, Number(data.trim())) : -Errno.EINVAL,
    ),
  ],
];
const TX_FILES: readonly (readonly [string, number, FileOps<QueueArg>])[] = [
  ['traffic_class', RO, queueAttr(multiqueue(() => '0'))],
  ['tx_maxrate', RW, queueAttr(() => '0', storeZero)],
  ['tx_timeout', RO, queueAttr((q) => String(q.dev.queues[q.index].trans_timeout))],
  [
    'xps_cpus',
    RW,
    queueAttr(
      multiqueue((q, k) => maskText(k, k.net.xmit.xps_cpus(q.dev, q.index))),
      (q, data, k) =>
        q.dev.num_tx_queues > 1
          ? storeMask((at, mask) => k.net.xmit.netif_set_xps_queue(at.dev, mask, at.index))(q, data, k)
          : -Errno.ENOENT,
    ),
  ],
  [
    'xps_rxqs',
    RW,
    queueAttr(
      multiqueue((q, k) => bitmapText(k.net.xmit.xpsRxqs(q.dev, q.index), q.dev.num_rx_queues)),
      (q, data, k) => {
        if (q.dev.num_tx_queues <= 1) return -Errno.ENOENT;
        const mask = parseBitmap(data, q.dev.num_rx_queues);
        return typeof mask === 'number' ? mask : k.net.xmit.setXpsRxqs(q.dev, mask, q.index);
      },
    ),
  ],
];
const dql = (q: QueueArg): Dql => q.dev.queues[q.index].dql;
/** A number of bytes, or 'max' (Linux: bql_set()). */
const setBql =
  (set: (d: Dql, value: number) => void) =>
  (q: QueueArg, data: string): number => {
    const text = data.trim();
    if (text !== 'max' && !/^\d+$/.test(text)) return -Errno.EINVAL;
    const value = text === 'max' ? DQL_MAX_LIMIT : Number(text);
    if (value > DQL_MAX_LIMIT) return -Errno.EINVAL;
    set(dql(q), value);
    return 0;
  };
/** Byte queue limits (Linux: net-sysfs.c, dql_group). */
const BQL_FILES: readonly (readonly [string, number, FileOps<QueueArg>])[] = [
  [
    'hold_time',
    RW,
    queueAttr(
      (q) => String(dql(q).slack_hold_time),
      (q, data) => {
        if (!/^\d+$/.test(data.trim())) return -Errno.EINVAL;
        dql(q).slack_hold_time = Number(data);
        return 0;
      },
    ),
  ],
  ['inflight', RO, queueAttr((q) => String(dql(q).inflight))],
  [
    'limit',
    RW,
    queueAttr(
      (q) => String(dql(q).limit),
      setBql((d, value) => (d.limit = value)),
    ),
  ],
  [
    'limit_max',
    RW,
    queueAttr(
      (q) => String(dql(q).max_limit),
      setBql((d, value) => (d.max_limit = value)),
    ),
  ],
  [
    'limit_min',
    RW,
    queueAttr(
      (q) => String(dql(q).min_limit),
      setBql((d, value) => (d.min_limit = value)),
    ),
  ],
];

function fill(dir: StaticDir, kernel: Kernel, files: readonly (readonly [string, number, FileOps<QueueArg>])[], q: QueueArg): StaticDir {
  for (const [name, mode, fileOps] of files) dir.add(name, new GeneratedFile(kernel, mode, fileOps, q, PAGE));
  return dir;
}

const GROUP_FILE: FileOps<QueueArg & { readonly name: string }> = ops({
  read: (_k: Kernel, _ctx: VfsContext, { dev, index, name }: QueueArg & { readonly name: string }) => {
    const found = dev.sysfs_rx_queue_group?.files.find((f) => f.name === name);
    return found === undefined ? -Errno.EIO : `${found.show(dev, index)}\n`;
  },
});

function makeQueuesDir(kernel: Kernel, dev: NetDevice): StaticDir {
  const dir = new StaticDir(S_IFDIR | 0o755);
  for (let index = 0; index < dev.real_num_rx_queues; index++) {
    const rx = fill(new StaticDir(S_IFDIR | 0o755), kernel, RX_FILES, { dev, index });
    const group = dev.sysfs_rx_queue_group;
    if (group !== undefined) {
      const sub = new StaticDir(S_IFDIR | 0o755);
      for (const { name } of group.files) sub.add(name, new GeneratedFile(kernel, RO, GROUP_FILE, { dev, index, name }, PAGE));
      rx.add(group.name, sub);
    }
    dir.add(`rx-${index}`, rx);
  }
  for (let index = 0; index < dev.real_num_tx_queues; index++) {
    const tx = fill(new StaticDir(S_IFDIR | 0o755), kernel, TX_FILES, { dev, index });
    dir.add(`tx-${index}`, tx.add('byte_queue_limits', fill(new StaticDir(S_IFDIR | 0o755), kernel, BQL_FILES, { dev, index })));
  }
  return dir;
}

/** 'net' below a device (undefined: devices/virtual): the reader's namespace decides what is in it. */
export class NetDevicesDir extends DirNode {
  readonly mode = S_IFDIR | 0o755;
  constructor(
    readonly kernel: Kernel,
    private readonly parent: Device | undefined,
  ) {
    super();
  }
  list(ctx: VfsContext): readonly string[] {
    return ctx.net.devices.filter((d) => d.parent === this.parent).map((d) => d.name);
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    const dev = ctx.net.__dev_get_by_name(name);
    return dev !== undefined && dev.parent === this.parent ? new NetDeviceDir(this.kernel, dev) : undefined;
  }
}

/** /sys/class/net: links into the device tree. */
export class ClassNetDir extends DirNode {
  readonly mode = S_IFDIR | 0o755;
  constructor(readonly kernel: Kernel) {
    super();
  }
  list(ctx: VfsContext): readonly string[] {
    return ctx.net.devices.map((d) => d.name);
  }
  lookup(ctx: VfsContext, name: string): VNode | undefined {
    const dev = ctx.net.__dev_get_by_name(name);
    return dev === undefined ? undefined : new StaticLink(relativeLink('class/net', netDevicePath(dev)), 0);
  }
}
