// net.core.*: what every namespace has, and what only init_net has, with Linux 6.1's defaults (net/core/sysctl_net_core.c).
import { NETDEV_BUDGET, NETDEV_BUDGET_USECS } from './dev_napi.ts';
import { DEV_RX_WEIGHT, NETDEV_MAX_BACKLOG } from './dev_rx.ts';
import { GRO_NORMAL_BATCH } from './gro.ts';

export const CORE_SYSCTLS: Readonly<Record<string, string>> = Object.freeze({
  'net.core.somaxconn': '4096',
  'net.core.txrehash': '1',
  'net.core.xfrm_acq_expires': '30',
  'net.core.xfrm_aevent_etime': '10',
  'net.core.xfrm_aevent_rseqth': '2',
  'net.core.xfrm_larval_drop': '1',
});

export const INIT_CORE_SYSCTLS: Readonly<Record<string, string>> = Object.freeze({
  'net.core.bpf_jit_enable': '1',
  'net.core.bpf_jit_harden': '0',
  'net.core.bpf_jit_kallsyms': '1',
  'net.core.bpf_jit_limit': '528482304',
  'net.core.busy_poll': '0',
  'net.core.busy_read': '0',
  'net.core.default_qdisc': 'fq_codel',
  'net.core.dev_weight': String(DEV_RX_WEIGHT),
  'net.core.dev_weight_rx_bias': '1',
  'net.core.dev_weight_tx_bias': '1',
  'net.core.devconf_inherit_init_net': '0',
  'net.core.fb_tunnels_only_for_init_net': '0',
  'net.core.flow_limit_cpu_bitmap': '0',
  'net.core.flow_limit_table_len': '4096',
  'net.core.gro_normal_batch': String(GRO_NORMAL_BATCH),
  'net.core.high_order_alloc_disable': '0',
  'net.core.max_skb_frags': '17',
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
  'net.core.rmem_default': '212992',
  'net.core.rmem_max': '212992',
  'net.core.rps_sock_flow_entries': '0',
  'net.core.skb_defer_max': '64',
  'net.core.tstamp_allow_data': '1',
  'net.core.warnings': '0',
  'net.core.wmem_default': '212992',
  'net.core.wmem_max': '212992',
});
