// Short usage texts of our own for ip(8); the real ones are long and not ours to copy.
import { ToolExit } from '../tool.ts';

const usage = (text: string): never => {
  throw new ToolExit(255, `Usage: ${text}\n`);
};

export const ipUsage = (): never =>
  usage(
    'ip [ OPTIONS ] OBJECT { COMMAND | help }\n' +
      'Objects: address link route neighbour netns maddress monitor rule ntable netconf token\n' +
      'Options: -4 -6 -a[ll] -b[atch] FILE -br[ief] -c[olor] -d[etails] -f[amily] NAME -force -h[uman] -iec\n' +
      '         -j[son] -n[etns] NAME -N[umeric] -o[neline] -p[retty] -s[tatistics] -t[imestamp] -ts[hort] -V[ersion]',
  );
export const linkUsage = (): never =>
  usage(
    'ip link { add [ name ] NAME type { veth | dummy } ARGS | delete NAME | set NAME SETTINGS | show [ NAME ] }\n' +
      'Settings: up down mtu N txqueuelen N address MAC broadcast MAC name NAME netns { NAME | PID } alias TEXT\n' +
      '          promisc on|off allmulticast on|off multicast on|off arp on|off group N',
  );
export const addressUsage = (): never =>
  usage(
    'ip address { add | change | replace | del } PREFIX [ brd ADDR | + ] [ peer PREFIX ] [ label NAME ] [ scope SCOPE ] dev NAME\n       ip address { show | flush } [ dev NAME ] [ scope SCOPE ] [ to PREFIX ] [ up ]',
  );
export const routeUsage = (): never =>
  usage(
    'ip route { add | del | change | append | replace } [ TYPE ] PREFIX [ via ADDR ] [ dev NAME ] [ table ID ] [ metric N ] [ src ADDR ] [ nexthop ... ]\n' +
      '       ip route { show | flush } [ PREFIX ] [ table ID ] [ dev NAME ] [ proto NAME ] [ type TYPE ]\n' +
      '       ip route get ADDR [ from ADDR ] [ oif NAME ] [ iif NAME ]',
  );
export const neighUsage = (): never =>
  usage(
    'ip neigh { add | del | change | replace } ADDR [ lladdr MAC ] [ nud STATE ] dev NAME\n       ip neigh { show | flush } [ proxy ] [ to PREFIX ] [ dev NAME ] [ nud STATE ]\n       ip neigh get ADDR dev NAME',
  );
export const ruleUsage = (): never => usage('ip rule { add | del } SELECTOR ACTION\n       ip rule [ show ]');
export const netnsUsage = (): never =>
  usage(
    'ip netns { list | list-id | add NAME | delete NAME | set NAME ID | identify [ PID ] | pids NAME | exec NAME COMMAND ... | attach NAME PID }',
  );
export const monitorUsage = (): never =>
  usage('ip monitor [ all | link | address | route | neigh | rule | netconf | nsid ] [ dev NAME ] [ label ]');
export const maddressUsage = (): never => usage('ip maddress { show [ dev NAME ] | add MAC dev NAME | del MAC dev NAME }');
