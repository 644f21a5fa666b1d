// What all printers share: the text so far, how verbose to be, and names for addresses.
import { portName } from './services.ts';
import type { Snapshot } from './snapshot.ts';

/** Where names come from; an object of the world, or a constant. */
export interface Names {
  /** undefined: nothing knows a name. */
  hostOf(address: Uint8Array): string | undefined;
}

export interface PrintOptions {
  /** -e */
  readonly link: boolean;
  /** -n */
  readonly numeric: boolean;
  /** -q, counted */
  readonly quiet: number;
  /** -v, counted */
  readonly verbose: number;
  /** -S */
  readonly absolute: boolean;
  /** -K */
  readonly noChecksums: boolean;
  /** -A, -x, -xx, -X, -XX */
  readonly dump: 'none' | 'ascii' | 'hex' | 'both';
  readonly dumpLink: boolean;
  /** -t, counted */
  readonly time: number;
  /** -# */
  readonly numbers: boolean;
}

/** The first sequence numbers seen of a TCP connection, by its lower end. */
export interface TcpOrigin {
  seq: number;
  ack: number;
}

export class Printer {
  out = '';
  /** The protocol whose header is being read, named when it is cut. */
  protocol = '';
  readonly connections = new Map<string, TcpOrigin>();
  constructor(
    readonly options: PrintOptions,
    readonly names: Names,
  ) {}

  print(text: string): void {
    this.out += text;
  }
  get verbose(): number {
    return this.options.verbose;
  }
  host4(s: Snapshot, at: number): string {
    return (this.options.numeric ? undefined : this.names.hostOf(s.slice(at, 4))) ?? s.ipv4(at);
  }
  host6(s: Snapshot, at: number): string {
    return (this.options.numeric ? undefined : this.names.hostOf(s.slice(at, 16))) ?? s.ipv6(at);
  }
  /** A MAC address; with names, who made the card (none of ours is in the table). */
  mac(s: Snapshot, at: number): string {
    const text = s.mac(at);
    if (this.options.numeric) return text;
    return text === 'ff:ff:ff:ff:ff:ff' ? 'Broadcast' : `${text} (oui Unknown)`;
  }
  port(port: number, protocol: 'tcp' | 'udp'): string {
    return this.options.numeric ? String(port) : portName(port, protocol);
  }
}

/** Names of the bits that are set. */
export function bitNames(table: readonly (readonly [number, string])[], value: number, separator: string): string {
  const found = table.filter(([bit]) => (value & bit) !== 0).map(([, name]) => name);
  return found.length === 0 ? 'none' : found.join(separator);
}

export const hex = (n: number, digits = 0): string => (n >>> 0).toString(16).padStart(digits, '0');
