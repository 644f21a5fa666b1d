// Options that `exec` and `run` share.
import { readFileSync } from 'node:fs';
import type { FaultSpec, LabSpec } from '../../engine/index.ts';
import { parseFault } from '../host/faults.ts';
import { parseLab } from '../host/labs.ts';
import { parseDuration } from '../host/units.ts';

/** A mistake on the command line: message for the person, exit status 2. */
export class UsageError extends Error {}

export interface RunOptions {
  /** Simulated time to stop at, ns; Infinity for none. */
  until: number;
  seed: number | undefined;
  pcaps: { machine: string; iface: string; file: string }[];
  record: string | undefined;
  /** Faults to inject, beside those of the lab; times count from the world's start. */
  faults: FaultSpec[];
  /** The lab without its variants and quirks. */
  fixed: boolean;
  positional: string[];
  /** Words after `--`. */
  command: string[] | undefined;
}

export function parseRunOptions(args: readonly string[]): RunOptions {
  const out: RunOptions = {
    until: Infinity,
    seed: undefined,
    pcaps: [],
    record: undefined,
    faults: [],
    fixed: false,
    positional: [],
    command: undefined,
  };
  for (let i = 0; i < args.length; i++) {
    const a = args[i];
    const value = (): string => {
      const v = args[++i];
      if (v === undefined) throw new UsageError(`${a} needs a value`);
      return v;
    };
    switch (a) {
      case '--':
        out.command = args.slice(i + 1);
        i = args.length;
        break;
      case '--until': {
        const text = value();
        const t = parseDuration(text);
        if (t === undefined) throw new UsageError(`--until ${text}: write a time with its unit, for example 30s or 250ms`);
        out.until = t;
        break;
      }
      case '--seed': {
        const text = value();
        if (!/^\d+$/.test(text)) throw new UsageError(`--seed ${text}: write a whole number`);
        out.seed = Number(text);
        break;
      }
      case '--pcap': {
        const text = value();
        const m = /^([^:=]+):([^=]+)=(.+)$/.exec(text);
        if (m === null) throw new UsageError(`--pcap ${text}: write MACHINE:IFACE=FILE, for example h1:eth0=ping.pcapng`);
        out.pcaps.push({ machine: m[1], iface: m[2], file: m[3] });
        break;
      }
      case '--fault': {
        const fault = parseFault(value());
        if (typeof fault === 'string') throw new UsageError(`--fault ${fault}`);
        out.faults.push(fault);
        break;
      }
      case '--fixed':
        out.fixed = true;
        break;
      case '--record':
        out.record = value();
        break;
      default:
        if (a.startsWith('--')) throw new UsageError(`${a} is not an option`);
        out.positional.push(a);
    }
  }
  return out;
}

/** Reads and validates a lab file; LabErrors for mistakes in it, UsageError when it cannot be read. */
export function readLab(file: string, seed?: number, faults: readonly FaultSpec[] = []): LabSpec {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (e) {
    throw new UsageError(
      `cannot read the lab ${file}: ${(e as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (e as Error).message}`,
    );
  }
  const lab = parseLab(text, file);
  return {
    ...lab,
    ...(seed === undefined ? {} : { seed }),
    ...(faults.length === 0 ? {} : { faults: [...(lab.faults ?? []), ...faults] }),
  };
}
