// net.core.*: what every namespace has, and what only init_net has, with Linux 6.1's defaults (net/core/sysctl_net_core.c).
import { Errno } from '../base/errno.ts';
import { NETDEV_BUDGET, NETDEV_BUDGET_USECS } from './dev_napi.ts';
import { DEV_RX_WEIGHT, NETDEV_MAX_BACKLOG } from './dev_rx.ts';
import type { SysctlHandler } from './fs/sysctl.ts';
import { GRO_NORMAL_BATCH } from './gro.ts';
import type { Kernel } from './kernel.ts';
import type { Net } from './net_namespace.ts';
import { isDefaultQdisc } from './sched/sch_generic.ts';
import { MAX_SKB_FRAGS } from './skbuff.ts';
import { SK_MEM_MAX } from './sock.ts';

/** Of every namespace. */
export const CORE_SYSCTLS: Readonly<Record<string, string>> = Object.freeze({
  'net.core.somaxconn': '4096',
  'net.core.txrehash': '1',
  'net.core.xfrm_acq_expires': '30',
  'net.core.xfrm_aevent_etime': '10',
  'net.core.xfrm_aevent_rseqth': '2',
  'net.core.xfrm_larval_drop': '1',
});

/** The machine's. */
const MACHINE_SYSCTLS: Readonly<Record<string, string>> = Object.freeze({
  'net.core.bpf_jit_enable': '1',
  'net.core.bpf_jit_harden': '0',
  'net.core.bpf_jit_kallsyms': '1',
  'net.core.bpf_jit_limit': '528482304',
  'net.core.busy_poll': '0',
  'net.core.busy_read': '0',
  'net.core.dev_weight': String(DEV_RX_WEIGHT),
  'net.core.dev_weight_rx_bias': '1',
  'net.core.dev_weight_tx_bias': '1',
  'net.core.devconf_inherit_init_net': '0',
  'net.core.fb_tunnels_only_for_init_net': '0',
  'net.core.flow_limit_cpu_bitmap': '0',
  'net.core.flow_limit_table_len': '4096',
  'net.core.gro_normal_batch': String(GRO_NORMAL_BATCH),
  'net.core.high_order_alloc_disable': '0',
  'net.core.max_skb_frags': String(MAX_SKB_FRAGS),
  'net.core.mem_pcpu_rsv': '256',
  'net.core.message_burst': '10',
  'net.core.message_cost': '5',
  'net.core.netdev_budget': String(NETDEV_BUDGET),
  'net.core.netdev_budget_usecs': String(NETDEV_BUDGET_USECS),
  'net.core.netdev_max_backlog': String(NETDEV_MAX_BACKLOG),
  'net.core.netdev_rss_key': Array.from({ length: 52 }, () => '00').join(':'),
  'net.core.netdev_tstamp_prequeue': '1',
  'net.core.netdev_unregister_timeout_secs': '10',
  'net.core.optmem_max': '20480',
  'net.core.rmem_default': String(SK_MEM_MAX),
  'net.core.rmem_max': String(SK_MEM_MAX),
  'net.core.rps_sock_flow_entries': '0',
  'net.core.skb_defer_max': '64',
  'net.core.tstamp_allow_data': '1',
  'net.core.warnings': '0',
  'net.core.wmem_default': String(SK_MEM_MAX),
  'net.core.wmem_max': String(SK_MEM_MAX),
});

/** Acts on writes to what the net core reads. */
export class CoreSysctls implements SysctlHandler {
  constructor(readonly kernel: Kernel) {
    for (const [name, value] of Object.entries(MACHINE_SYSCTLS)) kernel.vfs.sysctl.define(name, value);
    kernel.vfs.sysctl.define('net.core.default_qdisc', kernel.sched.default_qdisc);
    kernel.vfs.sysctl.register('net.core.', this);
  }

  sysctl_write(_net: Net, name: string, value: string): number | string {
    const { net, gro, sched } = this.kernel;
    if (name === 'net.core.default_qdisc') {
      if (!isDefaultQdisc(value)) return -Errno.ENOENT;
      sched.default_qdisc = value;
      return 0;
    }
    const n = Number(value);
    if (name === 'net.core.netdev_budget') net.napi.budget = n;
    else if (name === 'net.core.netdev_budget_usecs') net.napi.budget_usecs = n;
    else if (name === 'net.core.netdev_max_backlog') net.rx.max_backlog = n;
    else if (name === 'net.core.rps_sock_flow_entries') {
      if (!/^\d+$/.test(value)) return -Errno.EINVAL;
      const size = net.rps.resizeSockFlows(n);
      return size < 0 ? size : String(size);
    } else if (name === 'net.core.gro_normal_batch') gro.normal_batch = n;
    return 0;
  }
}
