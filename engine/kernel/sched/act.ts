// Actions of filters: gact, mirred, police (Linux: net/sched/act_api.c, act_gact.c, act_mirred.c, act_police.c).
import type { Kernel } from '../kernel.ts';
import { skb_reset_mac_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import { attrNumber, type TcAttrs } from './qdisc.ts';
import { lengthToNs } from './sch_tbf.ts';
import { TC_ACT, type TcActionInfo } from './tcf.ts';

export type ActionKind = 'gact' | 'mirred' | 'police';
export interface ActionRequest {
  readonly kind: ActionKind;
  readonly options: TcAttrs;
}

export class TcAction {
  private bytes = 0;
  private packets = 0;
  private drops = 0;
  private overlimits = 0;
  private readonly installed: number;
  private used: number;
  private firstused = 0;
  /** police: the bucket in nanoseconds, and when it was filled. */
  private tokens = 0;
  private t_c: number;
  constructor(
    readonly kernel: Kernel,
    readonly kind: ActionKind,
    readonly index: number,
    private readonly options: TcAttrs,
  ) {
    this.installed = this.used = this.t_c = kernel.now();
    this.tokens = this.bucket();
  }
  private bucket(): number {
    const rate = attrNumber(this.options, 'rate', 0);
    return rate === 0 ? 0 : lengthToNs(rate, attrNumber(this.options, 'burst', 0));
  }

  /** TC_ACT_*; `ingress`: where the packet is on its way. */
  act(skb: SkBuff, ingress: boolean): number {
    this.used = this.kernel.now();
    if (this.firstused === 0) this.firstused = this.used;
    // on the way in the Ethernet header is off already, and counts
    const length = ingress && skb.mac_header >= 0 ? skb.len + (skb.data - skb.head - skb.mac_header) : skb.len;
    this.bytes += skb.len;
    this.packets++;
    if (this.kind === 'mirred') return this.tcf_mirred_act(skb, ingress);
    const verdict = this.kind === 'police' ? this.tcf_police_act(length) : attrNumber(this.options, 'action', TC_ACT.OK);
    if (verdict === TC_ACT.SHOT) this.drops++;
    return verdict;
  }

  private tcf_police_act(length: number): number {
    const rate = attrNumber(this.options, 'rate', 0);
    const exceed = attrNumber(this.options, 'exceed', TC_ACT.RECLASSIFY);
    if (length <= attrNumber(this.options, 'mtu', 2047)) {
      const now = this.kernel.now();
      const left = Math.min(this.tokens + now - this.t_c, this.bucket()) - lengthToNs(rate, length);
      if (left >= 0) {
        this.t_c = now;
        this.tokens = left;
        return attrNumber(this.options, 'conform', TC_ACT.OK);
      }
    }
    this.overlimits++;
    return exceed;
  }

  private tcf_mirred_act(skb: SkBuff, ingress: boolean): number {
    const { net, skb: skbs } = this.kernel;
    const dev = skb.dev?.net.devices.find((d) => d.ifindex === attrNumber(this.options, 'ifindex', 0));
    const redirect = this.options['redirect'] === true;
    const verdict = redirect ? TC_ACT.STOLEN : TC_ACT.PIPE;
    if (dev === undefined || !dev.started) {
      this.overlimits++;
      return redirect ? TC_ACT.SHOT : verdict;
    }
    const copy = skbs.skb_clone(skb);
    if (copy === undefined) return redirect ? TC_ACT.SHOT : verdict;
    const inward = this.options['direction'] === 'ingress';
    const mac = copy.data - copy.head - copy.mac_header;
    if (ingress && !inward && copy.mac_header >= 0) skbs.skb_push(copy, mac);
    copy.skb_iif = skb.dev?.ifindex ?? 0;
    copy.dev = dev;
    if (inward) {
      if (!ingress) {
        skb_reset_mac_header(copy);
        copy.protocol = net.eth.eth_type_trans(copy, dev);
      }
      net.rx.netif_rx(copy);
    } else net.xmit.dev_queue_xmit(copy);
    return verdict;
  }

  dump(order: number): TcActionInfo {
    const { bytes, packets, drops, overlimits } = this;
    const now = this.kernel.now();
    const ago = (t: number): number => Math.floor((now - t) / 1e9);
    const times = {
      installed: ago(this.installed),
      used: ago(this.used),
      firstused: this.firstused === 0 ? undefined : ago(this.firstused),
    };
    return {
      kind: this.kind,
      order,
      options: { ...this.options, index: this.index, ...times },
      stats: { bytes, packets, drops, overlimits },
    };
  }
}
