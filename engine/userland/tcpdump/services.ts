// Names of ports and EtherTypes (IANA registries), as /etc/services and tcpdump's own tables have them.

/** name → port; the names that a network lab meets. */
const PORTS: Readonly<Record<string, { readonly port: number; readonly tcp: boolean; readonly udp: boolean }>> = Object.freeze(
  Object.fromEntries(
    'echo 7 tu,discard 9 tu,daytime 13 tu,ftp-data 20 t,ftp 21 t,ssh 22 t,telnet 23 t,smtp 25 t,time 37 tu,domain 53 tu,bootps 67 u,bootpc 68 u,tftp 69 u,http 80 t,kerberos 88 tu,pop3 110 t,sunrpc 111 tu,ntp 123 u,imap2 143 t,snmp 161 tu,snmp-trap 162 tu,bgp 179 t,ldap 389 tu,https 443 tu,isakmp 500 u,syslog 514 u,route 520 u,dhcpv6-client 546 u,dhcpv6-server 547 u,ldaps 636 tu,imaps 993 t,nfs 2049 tu,mdns 5353 u,iscsi-target 3260 t,mysql 3306 t,postgresql 5432 t,http-alt 8080 tu,munin 4949 t,vxlan 4789 u'
      .split(',')
      .map((row) => row.split(' '))
      .map(([name, port, kinds]) => [name, { port: Number(port), tcp: kinds.includes('t'), udp: kinds.includes('u') }]),
  ),
);

export function portOf(name: string): { readonly port: number; readonly tcp: boolean; readonly udp: boolean } | undefined {
  return Object.hasOwn(PORTS, name) ? PORTS[name] : undefined;
}

export function portName(port: number, protocol: 'tcp' | 'udp'): string {
  const found = Object.entries(PORTS).find(([, p]) => p.port === port && p[protocol]);
  return found === undefined ? String(port) : found[0];
}

export const ETHERTYPE_NAMES = new Map<number, string>([
  [0x0800, 'IPv4'],
  [0x0806, 'ARP'],
  [0x8035, 'Reverse ARP'],
  [0x86dd, 'IPv6'],
  [0x8100, '802.1Q'],
  [0x88a8, '802.1Q-QinQ'],
  [0x8847, 'MPLS unicast'],
  [0x8848, 'MPLS multicast'],
  [0x8863, 'PPPoE D'],
  [0x8864, 'PPPoE S'],
  [0x8808, 'MPCP'],
  [0x8809, 'Slow Protocols'],
  [0x88cc, 'LLDP'],
  [0x88f7, 'PTP'],
  [0x9000, 'Loopback'],
]);

/** IP protocol numbers as tcpdump names them. */
export const IPPROTO_NAMES = new Map<number, string>([
  [0, 'Options'],
  [1, 'ICMP'],
  [2, 'IGMP'],
  [4, 'IPIP'],
  [6, 'TCP'],
  [17, 'UDP'],
  [41, 'IPv6'],
  [43, 'Routing'],
  [44, 'Fragment'],
  [47, 'GRE'],
  [50, 'ESP'],
  [51, 'AH'],
  [58, 'ICMPv6'],
  [59, 'None'],
  [60, 'Options'],
  [89, 'OSPF'],
  [103, 'PIM'],
  [112, 'VRRP'],
  [132, 'SCTP'],
]);
