// Vectors per CPU (Linux: kernel/irq/matrix.c): each request goes to the allowed CPU with the most free vectors, lowest vector first.

/** 0x20 is the move clean-up's; 0x80 the old system call; from 0xec on the system's own. */
const FIRST_VECTOR = 0x21;
const FIRST_SYSTEM_VECTOR = 0xec;
const IA32_SYSCALL_VECTOR = 0x80;
/** Where an interrupt points that has no user. */
export const MANAGED_IRQ_SHUTDOWN_VECTOR = 0xef;

export class IrqMatrix {
  private readonly used: Uint8Array;
  private readonly available: Int32Array;
  constructor(private readonly cpus: number) {
    this.used = new Uint8Array(256 * cpus);
    this.available = new Int32Array(cpus).fill(FIRST_SYSTEM_VECTOR - FIRST_VECTOR - 1);
    for (let cpu = 0; cpu < cpus; cpu++) this.used[cpu * 256 + IA32_SYSCALL_VECTOR] = 1;
  }

  /** cpu * 256 + vector, or -1 when all allowed CPUs are full. */
  alloc(mask: number): number {
    let best = -1;
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      if ((mask & (1 << cpu)) === 0 || this.available[cpu] === 0) continue;
      if (best < 0 || this.available[cpu] > this.available[best]) best = cpu;
    }
    if (best < 0) return -1;
    for (let vector = FIRST_VECTOR; vector < FIRST_SYSTEM_VECTOR; vector++) {
      // the ISA vectors belong to the legacy lines
      if (this.used[best * 256 + vector] === 0 && (vector & 0xf0) !== 0x30) {
        this.take(best, vector);
        return best * 256 + vector;
      }
    }
    return -1;
  }

  take(cpu: number, vector: number): void {
    this.used[cpu * 256 + vector] = 1;
    this.available[cpu]--;
  }

  free(cpu: number, vector: number): void {
    if (this.used[cpu * 256 + vector] === 0) return;
    this.used[cpu * 256 + vector] = 0;
    this.available[cpu]++;
  }

  /** Vectors in use on a CPU, for views. */
  inUse(cpu: number): number {
    return FIRST_SYSTEM_VECTOR - FIRST_VECTOR - 1 - this.available[cpu];
  }
}
