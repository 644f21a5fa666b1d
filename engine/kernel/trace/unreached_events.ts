// Linux's network events on paths that nothing modelled takes: drivers with napi_gro_frags() or netif_receive_skb_list(). They can be enabled and stay silent.
import { ops } from '../../base/ops.ts';
import type { EventDef } from '../../trace/trace.ts';
import { NapiGroReceiveEntry, NapiGroReceiveExit } from '../tracepoints.ts';

const likeEntry = (name: string): EventDef => ops({ ...NapiGroReceiveEntry, name });
const likeExit = (name: string): EventDef => ops({ ...NapiGroReceiveExit, name });

export const UNREACHED_EVENTS: readonly EventDef[] = Object.freeze([
  likeEntry('net:napi_gro_frags_entry'),
  likeExit('net:napi_gro_frags_exit'),
  likeEntry('net:netif_receive_skb_list_entry'),
  likeExit('net:netif_receive_skb_list_exit'),
]);
