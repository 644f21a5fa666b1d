// Measured rates per port from the cumulative counters of the motion push: bits per simulated second over the last second seen. Pure.
import type { MotionView, PortRates } from '../../preload/contract.ts';

const WINDOW_MS = 1000;

interface Sample {
  readonly wall: number; // ms, when the push arrived
  readonly time: number; // simulated ns
  readonly ports: readonly PortRates[];
}

export interface Rate {
  readonly tx: number; // bit/s of simulated time
  readonly rx: number;
  /** Something passed since the push before the last. */
  readonly txActive: boolean;
  readonly rxActive: boolean;
}

export const NO_RATE: Rate = { tx: 0, rx: 0, txActive: false, rxActive: false };

export class RateMeter {
  private samples: Sample[] = [];
  private index = new Map<string, number>();

  /** @param wall milliseconds on any steady clock. */
  push(motion: MotionView, wall: number): void {
    const last = this.samples.at(-1);
    const rewound = last !== undefined && motion.time < last.time;
    const changed =
      last === undefined ||
      last.ports.length !== motion.ports.length ||
      motion.ports.some((port, i) => port.machine !== last.ports[i].machine || port.port !== last.ports[i].port);
    if (rewound || changed) this.samples = [];
    if (changed) this.index = new Map(motion.ports.map((port, i) => [`${port.machine}/${port.port}`, i]));
    this.samples.push({ wall, time: motion.time, ports: motion.ports });
    while (this.samples.length > 2 && this.samples[0].wall < wall - WINDOW_MS) this.samples.shift();
  }

  rate(machine: string, port: string): Rate {
    const i = this.index.get(`${machine}/${port}`);
    const last = this.samples.at(-1);
    const first = this.samples[0];
    if (i === undefined || last === undefined) return NO_RATE;
    const elapsed = last.time - first.time;
    const now = last.ports[i];
    const then = first.ports[i];
    const before = this.samples.at(-2)?.ports[i] ?? now;
    return {
      tx: elapsed > 0 ? ((now.txBytes - then.txBytes) * 8e9) / elapsed : 0,
      rx: elapsed > 0 ? ((now.rxBytes - then.rxBytes) * 8e9) / elapsed : 0,
      txActive: now.txPackets !== before.txPackets,
      rxActive: now.rxPackets !== before.rxPackets,
    };
  }
}
