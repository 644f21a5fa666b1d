// From conditions to a BPF program: conditions are a tree of tests, and every test is a few loads and one jump.
import { BPF, type BpfProgram, SKF_AD, SKF_AD_OFF, type SockFilter } from '../../kernel/bpf.ts';
import { ETH_HLEN } from '../../wire/headers.ts';
import { FilterError } from './filter_lexer.ts';

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly a: Condition; readonly b: Condition }
  | { readonly kind: 'not'; readonly a: Condition }
  | { readonly kind: 'always' }
  /** `loads` leave a value in A (and X); `jump` compares it with `k` (or X). */
  | { readonly kind: 'test'; readonly loads: readonly SockFilter[]; readonly jump: number; readonly k: number };

export type Size = 1 | 2 | 4;
const SIZE_CODE = { 1: BPF.B, 2: BPF.H, 4: BPF.W } as const;

export const insn = (code: number, k = 0): SockFilter => ({ code, jt: 0, jf: 0, k });
export const and = (a: Condition, b: Condition): Condition => ({ kind: 'and', a, b });
export const or = (a: Condition, b: Condition): Condition => ({ kind: 'or', a, b });
export const not = (a: Condition): Condition => ({ kind: 'not', a });
export const anyOf = (list: readonly Condition[]): Condition => list.reduce(or);
export const allOf = (list: readonly Condition[]): Condition => list.reduce(and);
export const loadAbs = (at: number, size: Size): SockFilter => insn(BPF.LD | SIZE_CODE[size] | BPF.ABS, at);
export const loadInd = (at: number, size: Size): SockFilter => insn(BPF.LD | SIZE_CODE[size] | BPF.IND, at);

/** The value in A after `loads` compared with a constant. */
export const test = (loads: readonly SockFilter[], k: number, jump: number = BPF.JEQ): Condition => ({
  kind: 'test',
  loads,
  jump: BPF.JMP | jump | BPF.K,
  k,
});

/** Bytes at a fixed place, masked, against a constant. */
export function field(at: number, size: Size, value: number, mask?: number): Condition {
  const loads = [loadAbs(at, size)];
  if (mask !== undefined && mask >>> 0 !== 2 ** (8 * size) - 1) loads.push(insn(BPF.ALU | BPF.AND | BPF.K, mask >>> 0));
  return test(loads, value >>> 0);
}

/** Where a link layer keeps the EtherType, and where its payload begins. */
export interface LinkLayout {
  readonly name: 'EN10MB' | 'LINUX_SLL2';
  readonly etherType: number;
  readonly network: number;
}
export const ETHERNET: LinkLayout = { name: 'EN10MB', etherType: 12, network: ETH_HLEN };
/** "any" while capturing: the socket gives packets without a link header. */
export const COOKED_LIVE: LinkLayout = { name: 'LINUX_SLL2', etherType: SKF_AD_OFF + SKF_AD.PROTOCOL, network: 0 };
/** The same in a file. */
export const COOKED_FILE: LinkLayout = { name: 'LINUX_SLL2', etherType: 0, network: 20 };

const PROGRAM_MAX = 4096;

/** A program that keeps `snaplen` bytes of what the condition holds for. */
export function assemble(condition: Condition, snaplen: number): BpfProgram {
  const out: { code: number; k: number; yes: number; no: number }[] = [];
  const labels: number[] = [];
  const label = (): number => labels.push(-1) - 1;
  const emit = (c: Condition, yes: number, no: number): void => {
    if (out.length > PROGRAM_MAX) throw new FilterError('expression is too long');
    switch (c.kind) {
      case 'and':
      case 'or': {
        const next = label();
        if (c.kind === 'and') emit(c.a, next, no);
        else emit(c.a, yes, next);
        labels[next] = out.length;
        return emit(c.b, yes, no);
      }
      case 'not':
        return emit(c.a, no, yes);
      case 'always':
        out.push({ code: BPF.JMP | BPF.JGE | BPF.K, k: 0, yes, no });
        return;
      case 'test':
        for (const l of c.loads) out.push({ code: l.code, k: l.k, yes: -1, no: -1 });
        out.push({ code: c.jump, k: c.k, yes, no });
    }
  };
  const [accept, refuse] = [label(), label()];
  emit(condition, accept, refuse);
  labels[accept] = out.length;
  out.push({ code: BPF.RET | BPF.K, k: snaplen, yes: -1, no: -1 });
  labels[refuse] = out.length;
  out.push({ code: BPF.RET | BPF.K, k: 0, yes: -1, no: -1 });
  return out.map(({ code, k, yes, no }, pc) => ({ code, k, jt: yes < 0 ? 0 : labels[yes] - pc - 1, jf: no < 0 ? 0 : labels[no] - pc - 1 }));
}
