// The program table of a machine: what a shell can start in the world.
import { ops } from '../base/ops.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Net } from '../kernel/net_namespace.ts';
import type { Process, ProgramTable } from '../kernel/process.ts';
import { IpProcess } from './ip/ip_process.ts';
import { PingProcess } from './ping/ping.ts';

const NAMES = ['ip', 'ping'] as const;

export const PROGRAMS: ProgramTable = ops<ProgramTable>({
  names: NAMES,
  create(kernel: Kernel, net: Net, argv: readonly string[]): Process | undefined {
    switch (argv[0]) {
      case 'ip':
        return new IpProcess(kernel, net, argv, ops({ find: () => undefined }) as never);
      case 'ping':
        return new PingProcess(kernel, net, argv);
      default:
        return undefined;
    }
  },
});
