// iperf3(1) 3.12: client or server, by its options.
import type { Kernel } from '../../kernel/kernel.ts';
import type { Net } from '../../kernel/net_namespace.ts';
import type { Process } from '../../kernel/process.ts';
import { UTS_RELEASE } from '../../kernel/kernel.ts';
import { UTS_VERSION } from '../../kernel/uts.ts';
import { type Tool, type ToolContext, ToolProcess } from '../tool.ts';
import { IperfClient } from './client.ts';
import { parseOptions, VERSION } from './options.ts';
import { IperfServer } from './server.ts';

const USAGE = `Usage: iperf3 [-s|-c host] [options]
       iperf3 [-h|--help] [-v|--version]

  -p -f -i -B -V -J -s -1 -c -u -b -t -n -k -l -P -R -w -C -M -N -4 -6 -S -Z -O -T --cport --connect-timeout --fq-rate
`;

const MESSAGE: Tool = Object.freeze({
  run(ctx: ToolContext): number {
    const parsed = parseOptions(ctx.argv.slice(1));
    if (parsed === 'version') {
      ctx.print(`${VERSION}Linux ${ctx.kernel.hostname} ${UTS_RELEASE} ${UTS_VERSION} x86_64\n`);
      ctx.print(
        "Optional features available: CPU affinity setting, IPv6 flow label, SCTP, TCP congestion algorithm setting, sendfile / zerocopy, socket pacing, authentication, bind to device, support IPv4 don't fragment\n",
      );
      return 0;
    }
    if (parsed === 'help') {
      ctx.print(USAGE);
      return 0;
    }
    if ('error' in parsed) {
      const own = parsed.error.startsWith('parameter error') || parsed.error.endsWith('not modelled');
      ctx.error(own ? `iperf3: ${parsed.error}\n\n${USAGE}` : `iperf3: ${parsed.error}\n${USAGE}`);
    }
    return 1;
  },
});

export function iperf3(kernel: Kernel, net: Net, argv: readonly string[]): Process {
  const parsed = parseOptions(argv.slice(1));
  if (typeof parsed === 'string' || 'error' in parsed) return new ToolProcess(kernel, net, argv, MESSAGE);
  return parsed.server ? new IperfServer(kernel, net, argv, parsed) : new IperfClient(kernel, net, argv, parsed);
}
