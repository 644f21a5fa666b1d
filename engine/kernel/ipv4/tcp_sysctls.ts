// net.ipv4.tcp_*: values and what a write does (Linux: net/ipv4/sysctl_net_ipv4.c).
import { Errno } from '../../base/errno.ts';
import { PAGE_SIZE } from '../../platform/ram.ts';
import type { SysctlHandler } from '../fs/sysctl.ts';
import type { Kernel } from '../kernel.ts';
import type { Net } from '../net_namespace.ts';
import { ipv4Net } from './ipv4_net.ts';
import { TCP_SYSCTL_KEYS, type TcpSysctlKey } from './tcp_net.ts';

/** Smallest and largest value of those that have limits. */
const LIMITS: Readonly<Partial<Record<TcpSysctlKey, readonly [number, number]>>> = Object.freeze({
  tcp_adv_win_scale: [-31, 31],
  tcp_syn_retries: [1, 127],
  tcp_synack_retries: [0, 255],
  tcp_keepalive_probes: [0, 255],
  tcp_retries1: [0, 255],
  tcp_retries2: [0, 255],
  tcp_ecn: [0, 2],
  tcp_timestamps: [0, 255],
  tcp_window_scaling: [0, 255],
  tcp_sack: [0, 255],
  tcp_early_retrans: [0, 4],
  tcp_tw_reuse: [0, 2],
  tcp_min_tso_segs: [1, 255],
  tcp_pacing_ss_ratio: [0, 1000],
  tcp_pacing_ca_ratio: [0, 1000],
  tcp_limit_output_bytes: [0, 2147483647],
  tcp_comp_sack_nr: [0, 255],
  tcp_mtu_probing: [0, 255],
  tcp_min_rtt_wlen: [0, 86400],
});
const TRIPLES: readonly string[] = ['tcp_rmem', 'tcp_wmem', 'tcp_mem'];

export class TcpSysctlTable implements SysctlHandler {
  constructor(readonly kernel: Kernel) {
    kernel.vfs.sysctl.register('net.ipv4.tcp_', this);
    kernel.vfs.sysctl.register('net.core.somaxconn', this);
  }

  /** Linux: tcp_init(): buffers grow with the machine's memory. */
  initNet(net: Net): void {
    const { tcp } = ipv4Net(net);
    const { pages } = this.kernel.platform;
    const parent = net === this.kernel.init_net ? undefined : ipv4Net(this.kernel.init_net).tcp;
    if (parent === undefined) {
      const free = Math.max(pages.freePages, 1);
      const limit = Math.floor((free * PAGE_SIZE) / 128);
      tcp.wmem = [4096, 16384, Math.max(65536, Math.min(4 * 1024 * 1024, limit))];
      tcp.rmem = [4096, 131072, Math.max(131072, Math.min(6 * 1024 * 1024, limit))];
      const mem = Math.max(128, Math.floor(free / 16));
      tcp.mem = [Math.floor(mem / 4) * 3, mem, Math.floor(mem / 4) * 6];
    } else {
      tcp.wmem = [...parent.wmem];
      tcp.rmem = [...parent.rmem];
      tcp.mem = [...parent.mem];
      tcp.congestion_control = parent.congestion_control;
    }
    for (const key of TCP_SYSCTL_KEYS) net.sysctl.set(`net.ipv4.${key}`, String(tcp.sysctl[key]));
    net.sysctl.set('net.ipv4.tcp_rmem', tcp.rmem.join('\t'));
    net.sysctl.set('net.ipv4.tcp_wmem', tcp.wmem.join('\t'));
    if (parent === undefined) net.sysctl.set('net.ipv4.tcp_mem', tcp.mem.join('\t'));
    net.sysctl.set('net.ipv4.tcp_congestion_control', tcp.congestion_control);
    this.showAlgorithms(net);
  }
  /** The lists of algorithms, after one came or went. */
  showAlgorithms(net: Net): void {
    const { cong } = this.kernel.tcp ?? {};
    net.sysctl.set('net.ipv4.tcp_available_congestion_control', (cong?.available ?? ['reno', 'cubic']).join(' '));
    net.sysctl.set('net.ipv4.tcp_allowed_congestion_control', (cong?.allowed ?? ['reno', 'cubic']).join(' '));
  }

  sysctl_write(net: Net, name: string, value: string): number {
    const { tcp } = ipv4Net(net);
    const key = name.slice(name.lastIndexOf('.') + 1);
    if (key === 'somaxconn') {
      tcp.somaxconn = Number(value);
      return 0;
    }
    if (key === 'tcp_congestion_control') {
      if (!this.kernel.tcp.cong.available.includes(value)) this.kernel.modules.modprobe(`tcp_${value}`);
      if (!this.kernel.tcp.cong.available.includes(value)) return -Errno.ENOENT;
      tcp.congestion_control = value;
      return 0;
    }
    if (key === 'tcp_available_congestion_control') return -Errno.EACCES;
    const numbers = value.split(/\s+/).map(Number);
    if (TRIPLES.includes(key)) {
      if (numbers.length !== 3 || numbers.some((n) => !Number.isInteger(n) || n < 1)) return -Errno.EINVAL;
      tcp[key.slice(4) as 'rmem' | 'wmem' | 'mem'] = [numbers[0], numbers[1], numbers[2]];
      return 0;
    }
    if (!(key in tcp.sysctl)) return 0;
    const [n] = numbers;
    const limits = LIMITS[key as TcpSysctlKey];
    if (!Number.isInteger(n) || (limits !== undefined && (n < limits[0] || n > limits[1]))) return -Errno.EINVAL;
    tcp.sysctl[key as TcpSysctlKey] = n;
    return 0;
  }
}
