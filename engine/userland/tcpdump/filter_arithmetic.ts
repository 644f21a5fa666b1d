// Relations between computed values: `tcp[13] & 2 != 0`, `len > 100`.
import { BPF, BPF_MEMWORDS, type SockFilter } from '../../kernel/bpf.ts';
import { and, type Condition, insn, loadInd, not, type Size } from './filter_code.ts';
import { FilterError } from './filter_lexer.ts';
import type { Primitives } from './filter_primitives.ts';

export type Arithmetic =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'length' }
  | { readonly kind: 'negate'; readonly a: Arithmetic }
  | { readonly kind: 'binary'; readonly op: string; readonly a: Arithmetic; readonly b: Arithmetic }
  | { readonly kind: 'load'; readonly base: string; readonly at: Arithmetic; readonly size: Size };

const OPS: Readonly<Record<string, number>> = Object.freeze({
  '+': BPF.ADD,
  '-': BPF.SUB,
  '*': BPF.MUL,
  '/': BPF.DIV,
  '%': BPF.MOD,
  '&': BPF.AND,
  '|': BPF.OR,
  '^': BPF.XOR,
  '<<': BPF.LSH,
  '>>': BPF.RSH,
});

/** Jump and whether its opposite is meant. */
const RELATIONS: Readonly<Record<string, { readonly jump: number; readonly negated: boolean }>> = Object.freeze({
  '=': { jump: BPF.JEQ, negated: false },
  '!=': { jump: BPF.JEQ, negated: true },
  '>': { jump: BPF.JGT, negated: false },
  '<=': { jump: BPF.JGT, negated: true },
  '>=': { jump: BPF.JGE, negated: false },
  '<': { jump: BPF.JGE, negated: true },
});

export const isRelation = (text: string): boolean => Object.hasOwn(RELATIONS, text);
export const isOperator = (text: string): boolean => Object.hasOwn(OPS, text);

/** Names of offsets and values (pcap-filter(7)). */
export const CONSTANTS: Readonly<Record<string, number>> = Object.freeze({
  icmptype: 0,
  icmpcode: 1,
  icmp6type: 0,
  icmp6code: 1,
  tcpflags: 13,
  'tcp-fin': 0x01,
  'tcp-syn': 0x02,
  'tcp-rst': 0x04,
  'tcp-push': 0x08,
  'tcp-ack': 0x10,
  'tcp-urg': 0x20,
  'tcp-ece': 0x40,
  'tcp-cwr': 0x80,
  'icmp-echoreply': 0,
  'icmp-unreach': 3,
  'icmp-sourcequench': 4,
  'icmp-redirect': 5,
  'icmp-echo': 8,
  'icmp-routeradvert': 9,
  'icmp-routersolicit': 10,
  'icmp-timxceed': 11,
  'icmp-paramprob': 12,
  'icmp-tstamp': 13,
  'icmp-tstampreply': 14,
  'icmp-ireq': 15,
  'icmp-ireqreply': 16,
  'icmp-maskreq': 17,
  'icmp-maskreply': 18,
  'icmp6-destinationrunreach': 1,
  'icmp6-packettoobig': 2,
  'icmp6-timeexceeded': 3,
  'icmp6-parameterproblem': 4,
  'icmp6-echo': 128,
  'icmp6-echoreply': 129,
  'icmp6-multicastlistenerquery': 130,
  'icmp6-multicastlistenerreportv1': 131,
  'icmp6-multicastlistenerdone': 132,
  'icmp6-routersolicit': 133,
  'icmp6-routeradvert': 134,
  'icmp6-neighborsolicit': 135,
  'icmp6-neighboradvert': 136,
  'icmp6-redirect': 137,
  'icmp6-multicastlistenerreportv2': 143,
});

export function relation(a: Arithmetic, op: string, b: Arithmetic, primitives: Primitives): Condition {
  const { jump, negated } = RELATIONS[op];
  const guards: Condition[] = [];
  const loads: SockFilter[] = [];
  evaluate(a, 0, loads, guards, primitives);
  evaluate(b, 1, loads, guards, primitives);
  loads.push(insn(BPF.LDX | BPF.MEM, 1), insn(BPF.LD | BPF.MEM, 0));
  const test: Condition = { kind: 'test', loads, jump: BPF.JMP | jump | BPF.X, k: 0 };
  // a packet without what is compared matches neither the relation nor its opposite
  return guards.reduceRight((inner, guard) => and(guard, inner), negated ? not(test) : test);
}

/** Leaves the value in scratch word `slot`; words above it are free. */
function evaluate(e: Arithmetic, slot: number, out: SockFilter[], guards: Condition[], primitives: Primitives): void {
  if (slot >= BPF_MEMWORDS) throw new FilterError('out of registers needed to evaluate expression');
  switch (e.kind) {
    case 'number':
      out.push(insn(BPF.LD | BPF.IMM, e.value));
      break;
    case 'length':
      out.push(insn(BPF.LD | BPF.LEN));
      break;
    case 'negate':
      evaluate(e.a, slot, out, guards, primitives);
      out.push(insn(BPF.LD | BPF.MEM, slot), insn(BPF.ALU | BPF.NEG));
      break;
    case 'binary':
      evaluate(e.a, slot, out, guards, primitives);
      evaluate(e.b, slot + 1, out, guards, primitives);
      out.push(insn(BPF.LDX | BPF.MEM, slot + 1), insn(BPF.LD | BPF.MEM, slot), insn(BPF.ALU | OPS[e.op] | BPF.X));
      break;
    case 'load': {
      evaluate(e.at, slot, out, guards, primitives);
      const { guard, offset, header } = primitives.base(e.base);
      if (guard !== undefined) guards.push(guard);
      out.push(insn(BPF.LD | BPF.MEM, slot));
      if (header !== undefined) out.push(insn(BPF.LDX | BPF.B | BPF.MSH, header), insn(BPF.ALU | BPF.ADD | BPF.X));
      out.push(insn(BPF.MISC | BPF.TAX), loadInd(offset, e.size));
    }
  }
  out.push(insn(BPF.ST, slot));
}
