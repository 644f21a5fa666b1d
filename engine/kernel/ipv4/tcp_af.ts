// What TCP needs of the network layer below it, the same for IPv4 and IPv6 (Linux: struct inet_connection_sock_af_ops, tcp_request_sock_ops).
import type { NetDevice } from '../net_device.ts';
import type { SkBuff } from '../skbuff.ts';
import type { TcpRequestSock, TcpSock } from './tcp_sock.ts';

export interface TcpAf {
  /** MSS of a peer that announces none. */
  readonly mss_clamp: number;
  /** The path's MTU; 0 while there is no route. */
  mtu(sk: TcpSock): number;
  /** MSS to announce on the path. */
  advmss(sk: TcpSock): number;
  /** The device that the path leaves by. */
  dev(sk: TcpSock): NetDevice | undefined;
  /** Finds the route (again); 0 or -errno. */
  rebuild_header(sk: TcpSock): number;
  /** The peer's progress shows that the next hop is alive. */
  confirm(sk: TcpSock): void;
  /** Sends a segment; NET_XMIT_* or -errno. `ect`: with the codepoint of ECN-capable transport. */
  queue_xmit(sk: TcpSock, skb: SkBuff, ect: boolean): number;
  /** The pseudo-header's sum into the checksum field, the rest left to whoever completes CHECKSUM_PARTIAL. */
  send_check(sk: TcpSock, skb: SkBuff): void;
  /** Was a segment sent to one machine only? */
  unicast(skb: SkBuff): boolean;
  newRequest(listener: TcpSock, skb: SkBuff): TcpRequestSock;
  /** MSS to announce to the sender of a SYN; 0 without a route back. */
  requestAdvmss(req: TcpRequestSock): number;
  send_synack(req: TcpRequestSock): void;
  reqsk_send_ack(req: TcpRequestSock, skb: SkBuff): void;
  send_reset(sk: TcpSock | undefined, skb: SkBuff): void;
  setChildAddresses(child: TcpSock, listener: TcpSock, req: TcpRequestSock): void;
}
