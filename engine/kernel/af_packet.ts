// AF_PACKET sockets: frames as they pass a device, and frames sent as they are (Linux: net/packet/af_packet.c).
import { Errno } from '../base/errno.ts';
import { ETH_P } from '../wire/headers.ts';
import { bpf_prog_run, type BpfProgram } from './bpf.ts';
import type { Kernel } from './kernel.ts';
import { IFF, type NetDevice } from './net_device.ts';
import type { NetdevEvent, NetdevNotifier } from './netdev_events.ts';
import type { Net } from './net_namespace.ts';
import { PacketType, type PacketHandler } from './packet_type.ts';
import { PACKET_OUTGOING, type SkBuff } from './skbuff.ts';
import {
  __skb_pull,
  __skb_push,
  skb_mac_header,
  skb_mac_header_was_set,
  skb_network_header,
  skb_reserve,
  skb_reset_mac_header,
  skb_reset_network_header,
} from './skb_inline.ts';
import { Sock, type SockAddrLl } from './sock.ts';
import { LL_RESERVED_SPACE } from './ipv4/arp.ts';

export const SOCK_RAW = 3;

export class PacketSock extends Sock implements PacketHandler {
  ifindex = 0;
  hook: PacketType | undefined;
  /** EtherType listened to. */
  num: number;
  packets = 0;
  promisc = 0;
  filter: BpfProgram | undefined;
  constructor(
    net: Net,
    type: number,
    protocol: number,
    ino: number,
    readonly af: AfPacket,
  ) {
    super(net, 17, type, protocol, ino);
    this.num = protocol;
  }

  packet_rcv(skb: SkBuff, dev: NetDevice): number {
    return this.af.packet_rcv(this, skb, dev);
  }
}

export class AfPacket implements NetdevNotifier {
  /** Ours, not Linux's. */
  static readonly inlined: readonly string[] = Object.freeze(['netdev_event']);
  constructor(readonly kernel: Kernel) {
    kernel.net.register_netdevice_notifier(this);
  }

  netdev_event(event: NetdevEvent, dev: NetDevice): number {
    if (event === 'NETDEV_UP' || event === 'NETDEV_DOWN' || event === 'NETDEV_UNREGISTER') this.packet_notifier(event, dev);
    return 0;
  }

  /** A bound device goes down: its sockets hear nothing but an error; comes up: they hear again; goes away: so do their memberships. */
  packet_notifier(event: 'NETDEV_UP' | 'NETDEV_DOWN' | 'NETDEV_UNREGISTER', dev: NetDevice): void {
    for (const sk of this.kernel.sockets.all) {
      if (!(sk instanceof PacketSock) || sk.net !== dev.net) continue;
      if (event === 'NETDEV_UNREGISTER' && sk.promisc === dev.ifindex) {
        sk.promisc = 0;
        this.kernel.net.addrs.dev_set_promiscuity(dev, -1);
      }
      if (sk.ifindex !== dev.ifindex) continue;
      if (event === 'NETDEV_UP') {
        this.register_prot_hook(sk, dev);
        continue;
      }
      this.__unregister_prot_hook(sk);
      if (event === 'NETDEV_UNREGISTER') sk.ifindex = -1;
      sk.err = Errno.ENETDOWN;
      this.kernel.sockets.sk_error_report(sk);
    }
  }

  packet_create(net: Net, type: number, protocol: number, ino: number): PacketSock {
    const sk = new PacketSock(net, type, protocol, ino, this);
    if (protocol !== 0) this.register_prot_hook(sk, undefined);
    return sk;
  }

  register_prot_hook(sk: PacketSock, dev: NetDevice | undefined): void {
    this.__unregister_prot_hook(sk);
    if (sk.num === 0) return;
    sk.hook = new PacketType(sk.num, sk, dev, sk.net);
    this.kernel.net.rx.dev_add_pack(sk.hook);
  }

  __unregister_prot_hook(sk: PacketSock): void {
    if (sk.hook !== undefined) this.kernel.net.rx.dev_remove_pack(sk.hook);
    sk.hook = undefined;
  }

  packet_bind(sk: PacketSock, addr: SockAddrLl): number {
    let dev: NetDevice | undefined;
    if (addr.ifindex !== 0) {
      dev = sk.net.__dev_get_by_index(addr.ifindex);
      if (dev === undefined) return -Errno.ENODEV;
    }
    if (addr.protocol !== 0) sk.num = addr.protocol;
    sk.ifindex = addr.ifindex;
    this.register_prot_hook(sk, dev);
    if (dev !== undefined && (dev.flags & IFF.UP) === 0) {
      sk.err = Errno.ENETDOWN;
      this.kernel.sockets.sk_error_report(sk);
    }
    return 0;
  }

  /** A frame passed: RAW sockets get it from the MAC header on, DGRAM ones from the network header on. */
  packet_rcv(sk: PacketSock, skb: SkBuff, dev: NetDevice): number {
    const { skb: skbs } = this.kernel;
    if (dev.net !== sk.net) {
      skbs.consume_skb(skb);
      return 0;
    }
    const own = skb.users > 1 ? skbs.skb_clone(skb) : skb;
    if (own !== skb) skbs.consume_skb(skb);
    if (own === undefined) return 0;
    if (sk.type === SOCK_RAW) {
      if (skb_mac_header_was_set(own) && own.data > skb_mac_header(own)) __skb_push(own, own.data - skb_mac_header(own));
    } else if (own.pkt_type === PACKET_OUTGOING && own.network_header >= 0 && own.data < skb_network_header(own)) {
      __skb_pull(own, skb_network_header(own) - own.data);
    }
    own.dev = dev;
    if (sk.filter !== undefined && this.run_filter(sk.filter, own, dev) === 0) {
      skbs.consume_skb(own);
      return 0;
    }
    sk.packets++;
    return this.kernel.sockets.sock_queue_rcv_skb(sk, own);
  }

  /** From now on only packets that the program takes are queued (SO_ATTACH_FILTER). */
  sk_attach_filter(sk: PacketSock, program: BpfProgram): void {
    sk.filter = program;
  }

  run_filter(program: BpfProgram, skb: SkBuff, dev: NetDevice): number {
    const { protocol, pkt_type: pkttype, len: length } = skb;
    return bpf_prog_run(program, { bytes: this.kernel.skb.toArray(skb, length), length, protocol, pkttype, ifindex: dev.ifindex });
  }

  /** Bytes sent or -errno. RAW: `data` is the frame; DGRAM: the payload for `addr`. */
  packet_sendmsg(sk: PacketSock, data: Uint8Array, addr: SockAddrLl | undefined): number {
    const { skb: skbs } = this.kernel;
    const ifindex = addr?.ifindex ?? sk.ifindex;
    const proto = addr === undefined || addr.protocol === 0 ? sk.num : addr.protocol;
    const dev = sk.net.__dev_get_by_index(ifindex);
    if (dev === undefined) return -Errno.ENXIO;
    if ((dev.flags & IFF.UP) === 0) return -Errno.ENETDOWN;
    const raw = sk.type === SOCK_RAW;
    if (data.length > dev.mtu + (raw ? dev.hard_header_len + 4 : 0)) return -Errno.EMSGSIZE;
    if (raw && data.length < dev.hard_header_len) return -Errno.EINVAL;
    const room = LL_RESERVED_SPACE(dev);
    const skb = skbs.alloc_skb(room + data.length);
    if (skb === undefined) return -Errno.ENOBUFS;
    skb_reserve(skb, room);
    skb_reset_network_header(skb);
    const at = skbs.skb_put(skb, data.length);
    skbs.ram.write(at, data, 0, data.length);
    skb.dev = dev;
    skb.protocol = proto === ETH_P.ALL && raw ? (data[12] << 8) | data[13] : proto;
    skb.priority = sk.priority;
    skb.mark = sk.mark;
    skb.sk = sk;
    sk.wmem_alloc += skb.truesize;
    if (raw) {
      skb_reset_mac_header(skb);
      skb.network_header = skb.data - skb.head + dev.hard_header_len;
    } else if (
      dev.hard_header_len > 0 &&
      this.kernel.net.eth.eth_header(skb, dev, proto, addr?.addr.subarray(0, dev.addr_len), undefined, data.length) < 0
    ) {
      skbs.kfree_skb(skb);
      return -Errno.EINVAL;
    }
    const err = this.kernel.net.xmit.dev_queue_xmit(skb);
    return err < 0 ? err : data.length;
  }

  packet_mc_add(sk: PacketSock, ifindex: number): number {
    const dev = sk.net.__dev_get_by_index(ifindex);
    if (dev === undefined) return -Errno.ENODEV;
    sk.promisc = ifindex;
    return this.kernel.net.addrs.dev_set_promiscuity(dev, 1);
  }

  packet_release(sk: PacketSock): void {
    this.__unregister_prot_hook(sk);
    if (sk.promisc === 0) return;
    const dev = sk.net.__dev_get_by_index(sk.promisc);
    if (dev !== undefined) this.kernel.net.addrs.dev_set_promiscuity(dev, -1);
  }
}
