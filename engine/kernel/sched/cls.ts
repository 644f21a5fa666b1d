// Classifiers: matchall, u32 and flower (Linux: net/sched/cls_matchall.c, cls_u32.c, cls_flower.c).
import { ETH_P, IpHdr, Ipv6Hdr } from '../../wire/headers.ts';
import type { Kernel } from '../kernel.ts';
import { skb_headlen, skb_network_header } from '../skb_inline.ts';
import type { SkBuff } from '../skbuff.ts';
import type { TcAction } from './act.ts';
import { attrNumber, type TcAttrs } from './qdisc.ts';
import { TC_ACT, type TcActionInfo, TcfProto, type TcfResult, type TfilterInfo } from './tcf.ts';

/** One rule of a classifier. */
class Rule {
  hits = 0;
  success = 0;
  /** Matches of each u32 key. */
  readonly keyHits: number[];
  constructor(
    readonly handle: number,
    readonly options: TcAttrs,
    readonly actions: readonly TcAction[],
  ) {
    this.keyHits = u32Keys(options).map(() => 0);
  }
}
const u32Keys = (o: TcAttrs): readonly number[][] => {
  const flat = o['keys'];
  const out: number[][] = [];
  if (Array.isArray(flat)) for (let i = 0; i + 2 < flat.length; i += 3) out.push(flat.slice(i, i + 3));
  return out;
};

export class Classifier extends TcfProto {
  readonly rules: Rule[] = [];
  private next = 0;

  add(options: TcAttrs, actions: readonly TcAction[], handle: number): Rule {
    const own = this.kind === 'u32' ? 0x80000800 + this.next++ : ++this.next;
    const rule = new Rule(handle !== 0 ? handle : own, options, actions);
    this.rules.push(rule);
    return rule;
  }

  classify(skb: SkBuff, result: TcfResult, ingress: boolean): number {
    for (const rule of this.rules) {
      rule.hits++;
      if (!this.matches(rule, skb)) continue;
      rule.success++;
      result.classid = attrNumber(rule.options, 'classid', 0);
      let verdict: number = TC_ACT.OK;
      for (const action of rule.actions) {
        verdict = action.act(skb, ingress);
        if (verdict !== TC_ACT.PIPE) break;
      }
      if (verdict === TC_ACT.UNSPEC) continue;
      return verdict === TC_ACT.PIPE ? TC_ACT.OK : verdict;
    }
    return TC_ACT.UNSPEC;
  }

  private matches(rule: Rule, skb: SkBuff): boolean {
    if (this.kind === 'matchall') return true;
    return this.kind === 'u32' ? this.u32(rule, skb) : flower(this.kernel, rule.options, skb);
  }
  /** Words from the network header on, under masks. */
  private u32(rule: Rule, skb: SkBuff): boolean {
    const { ram } = this.kernel.platform;
    const start = skb_network_header(skb);
    const end = skb.data + skb_headlen(skb);
    const keys = u32Keys(rule.options);
    for (let i = 0; i < keys.length; i++) {
      const [off, mask, value] = keys[i];
      if (start + off + 4 > end || ((ram.u32be(start + off) ^ value) & mask) !== 0) return false;
      rule.keyHits[i]++;
    }
    return true;
  }

  dump(parent: number): readonly TfilterInfo[] {
    const { kind, protocol, prio, chain } = this;
    const record = (handle: number, options: TcAttrs, actions: readonly TcActionInfo[]): TfilterInfo => ({
      kind,
      parent,
      protocol,
      prio,
      chain,
      handle,
      options,
      actions,
    });
    const rules = this.rules.map((r) =>
      record(
        r.handle,
        { ...r.options, hits: r.hits, success: r.success, key_hits: r.keyHits.slice() },
        r.actions.map((a, i) => a.dump(i + 1)),
      ),
    );
    const head = [record(0, {}, [])];
    if (kind === 'u32') head.push(record(0x80000000, { divisor: 1 }, []));
    return [...head, ...rules];
  }
}

/** Every field that the rule names must be equal under its mask. */
function flower(kernel: Kernel, o: TcAttrs, skb: SkBuff): boolean {
  const { ram } = kernel.platform;
  const mac = skb.head + skb.mac_header;
  const same = (key: string, at: number): boolean => {
    const want = o[key];
    const mask = o[`${key}_mask`];
    return !Array.isArray(want) || want.every((b: number, i) => ((ram.u8(at + i) ^ b) & (Array.isArray(mask) ? mask[i] : 0xff)) === 0);
  };
  if (skb.mac_header >= 0 ? !same('dst_mac', mac) || !same('src_mac', mac + 6) : o['dst_mac'] !== undefined || o['src_mac'] !== undefined)
    return false;
  const [v4, v6] = [skb.protocol === ETH_P.IP, skb.protocol === ETH_P.IPV6];
  const needsIp = ['ip_proto', 'src_ip', 'dst_ip', 'src_port', 'dst_port'].some((k) => o[k] !== undefined);
  if (!needsIp) return true;
  if (!v4 && !v6) return false;
  const ip = skb_network_header(skb);
  const protocol = v4 ? IpHdr.protocol.get(ram, ip) : Ipv6Hdr.nexthdr.get(ram, ip);
  if (o['ip_proto'] !== undefined && o['ip_proto'] !== protocol) return false;
  if (!same('src_ip', ip + (v4 ? 12 : 8)) || !same('dst_ip', ip + (v4 ? 16 : 24))) return false;
  const l4 = ip + (v4 ? (IpHdr.version_ihl.get(ram, ip) & 15) * 4 : 40);
  if (v4 && (IpHdr.frag_off.get(ram, ip) & 0x1fff) !== 0) return o['src_port'] === undefined && o['dst_port'] === undefined;
  const port = (key: string, at: number): boolean => o[key] === undefined || o[key] === ((ram.u8(at) << 8) | ram.u8(at + 1));
  return port('src_port', l4) && port('dst_port', l4 + 2);
}
