// The tracer of one kernel: what is traced, the ring buffer, and the text that tracefs shows.
import type { PointListener, TracePoint, ArgValue } from '../../trace/trace.ts';
import type { Kernel } from '../kernel.ts';

export type TracerName = 'nop' | 'function' | 'function_graph';
export const TRACERS: readonly TracerName[] = ['function_graph', 'function', 'nop'];

export class Ftrace implements PointListener {
  current_tracer: TracerName = 'nop';
  tracing_on = true;

  constructor(readonly kernel: Kernel) {}

  /** Makes the process-wide patches follow this kernel: called by the session for each kernel after fork or restore of a world. */
  sync(): void {
    // nothing is patched yet
  }

  onTracepoint(_point: TracePoint, _args: readonly ArgValue[]): void {
    // events are recorded by the ring buffer
  }
}
