// Header layouts of the protocols on the wire, and the numbers in them.
import { be16, be32, bytes, struct, u8 } from '../base/layout.ts';

/** IEEE 802.3 §3.1.1 */
export const EthHdr = struct('ethhdr', {
  h_dest: bytes(6, 'Destination MAC address.'),
  h_source: bytes(6, 'Source MAC address.'),
  h_proto: be16('EtherType of the payload.'),
});
export const ETH_HLEN = 14;
export const ETH_ALEN = 6;
export const ETH_ZLEN = 60; // without FCS
export const ETH_P = { IP: 0x0800, ARP: 0x0806, '8021Q': 0x8100, IPV6: 0x86dd, ALL: 0x0003 } as const;

/** RFC 826, for Ethernet and IPv4 */
export const ArpHdr = struct('arphdr', {
  ar_hrd: be16('Hardware type: 1 is Ethernet.'),
  ar_pro: be16('Protocol type: 0x0800 is IPv4.'),
  ar_hln: u8('Hardware address length: 6.'),
  ar_pln: u8('Protocol address length: 4.'),
  ar_op: be16('1 request, 2 reply.'),
  ar_sha: bytes(6, 'Sender hardware address.'),
  ar_sip: be32('Sender protocol address.'),
  ar_tha: bytes(6, 'Target hardware address.'),
  ar_tip: be32('Target protocol address.'),
});
export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;

/** RFC 791 §3.1 */
export const IpHdr = struct('iphdr', {
  version_ihl: u8('Version 4 and header length in 32-bit words.'),
  tos: u8('Differentiated services and ECN (RFC 2474, RFC 3168).'),
  tot_len: be16('Total length, header and data, in bytes.'),
  id: be16('Identification for reassembly (RFC 6864).'),
  frag_off: be16('Flags and fragment offset in units of 8 bytes.'),
  ttl: u8('Time to live.'),
  protocol: u8('Protocol of the payload.'),
  check: be16('Header checksum (RFC 1071).'),
  saddr: be32('Source address.'),
  daddr: be32('Destination address.'),
});
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IP_OFFSET = 0x1fff;
export const IPPROTO = { ICMP: 1, IGMP: 2, TCP: 6, UDP: 17, IPV6: 41, ICMPV6: 58, RAW: 255 } as const;

/** RFC 792 */
export const IcmpHdr = struct('icmphdr', {
  type: u8('Message type.'),
  code: u8('Code within the type.'),
  checksum: be16('Checksum over the ICMP message.'),
  id: be16('Echo: identifier. Destination unreachable: unused.'),
  sequence: be16('Echo: sequence number. Fragmentation needed: next-hop MTU (RFC 1191).'),
});
export const ICMP = {
  ECHOREPLY: 0,
  DEST_UNREACH: 3,
  REDIRECT: 5,
  ECHO: 8,
  TIME_EXCEEDED: 11,
  PARAMETERPROB: 12,
  TIMESTAMP: 13,
  TIMESTAMPREPLY: 14,
} as const;
export const ICMP_UNREACH = {
  NET: 0,
  HOST: 1,
  PROT: 2,
  PORT: 3,
  FRAG_NEEDED: 4,
  SR_FAILED: 5,
  NET_ANO: 9,
  HOST_ANO: 10,
  PKT_FILTERED: 13,
} as const;

/** RFC 768 */
export const UdpHdr = struct('udphdr', {
  source: be16('Source port.'),
  dest: be16('Destination port.'),
  len: be16('Length of header and data.'),
  check: be16('Checksum over pseudo-header, header and data; 0 is none (IPv4).'),
});

/** RFC 9293 §3.1 */
export const TcpHdr = struct('tcphdr', {
  source: be16('Source port.'),
  dest: be16('Destination port.'),
  seq: be32('Sequence number.'),
  ack_seq: be32('Acknowledgment number.'),
  doff_flags: be16('Data offset (4 bits), reserved, flags.'),
  window: be16('Window, unscaled.'),
  check: be16('Checksum over pseudo-header, header and data.'),
  urg_ptr: be16('Urgent pointer.'),
});

/** RFC 8200 §3 */
export const Ipv6Hdr = struct('ipv6hdr', {
  vtc_flow: be32('Version 6, traffic class, flow label.'),
  payload_len: be16('Length of what follows this header.'),
  nexthdr: u8('Type of the next header.'),
  hop_limit: u8('Hop limit.'),
  saddr: bytes(16, 'Source address.'),
  daddr: bytes(16, 'Destination address.'),
});
export const NEXTHDR_HOP = 0;

/** RFC 4443 §2.1; `body` is the first word of the message. */
export const Icmp6Hdr = struct('icmp6hdr', {
  type: u8('Message type.'),
  code: u8('Code within the type.'),
  cksum: be16('Checksum over pseudo-header and message.'),
  body: be32('Echo: identifier and sequence. Others: by type.'),
});
export const ICMPV6 = {
  DEST_UNREACH: 1,
  PKT_TOOBIG: 2,
  TIME_EXCEED: 3,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  MLD_REPORT: 131,
  RS: 133,
  RA: 134,
  NS: 135,
  NA: 136,
  MLD2_REPORT: 143,
} as const;

/** 802.1Q-2018 §9.6: the four bytes after the source address. */
export const VlanHdr = struct('vlan_hdr', {
  h_vlan_TCI: be16('Priority, DEI and VLAN identifier.'),
  h_vlan_encapsulated_proto: be16('EtherType of the payload.'),
});
