// Shell arithmetic: $((…)), ((…)) on 64-bit integers as far as numbers carry them exactly.
import type { WordNode } from 'just-bash';
import type { ShellState } from './state.ts';

type ArithPart = Extract<WordNode['parts'][number], { type: 'ArithmeticExpansion' }>;
export type ArithExpression = ArithPart['expression'];
type Expr = ArithExpression['expression'];

/** Evaluates; throws Error with the shell's words on a bad expression. */
export function evaluate(node: ArithExpression, state: ShellState): number {
  return value(node.expression, state);
}

function variable(name: string, state: ShellState, depth = 0): number {
  const text = /^\d+$/.test(name)
    ? (state.positional[Number(name) - 1] ?? '')
    : name === '?'
      ? String(state.status)
      : name === '#'
        ? String(state.positional.length)
        : (state.vars.get(name) ?? '');
  return number(text, state, depth);
}

function number(text: string, state: ShellState, depth: number): number {
  const t = text.trim();
  if (t === '') return 0;
  if (/^[+-]?\d+$/.test(t)) return t.startsWith('0') && t.length > 1 ? Number.parseInt(t, 8) : Number(t);
  if (/^0[xX][0-9a-fA-F]+$/.test(t)) return Number.parseInt(t, 16);
  if (/^[A-Za-z_]\w*$/.test(t) && depth < 16) return variable(t, state, depth + 1);
  throw new Error(`${t}: syntax error: operand expected`);
}

function binary(op: string, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
    case '%':
      if (b === 0) throw new Error('division by 0');
      return op === '/' ? Math.trunc(a / b) : a % b;
    case '**':
      return a ** b;
    case '<<':
      return a * 2 ** b;
    case '>>':
      return Math.floor(a / 2 ** b);
    case '<':
      return Number(a < b);
    case '<=':
      return Number(a <= b);
    case '>':
      return Number(a > b);
    case '>=':
      return Number(a >= b);
    case '==':
      return Number(a === b);
    case '!=':
      return Number(a !== b);
    case '&':
      return Number(BigInt(a) & BigInt(b));
    case '|':
      return Number(BigInt(a) | BigInt(b));
    case '^':
      return Number(BigInt(a) ^ BigInt(b));
    case ',':
      return b;
    default:
      throw new Error(`${op}: syntax error: invalid arithmetic operator`);
  }
}

function assign(name: string, v: number, state: ShellState): number {
  state.vars.set(name, String(v));
  return v;
}

function value(e: Expr, state: ShellState): number {
  switch (e.type) {
    case 'ArithNumber':
      return e.value;
    case 'ArithVariable':
    case 'ArithSpecialVar':
      return variable(e.name, state);
    case 'ArithGroup':
    case 'ArithNested':
      return value(e.expression, state);
    case 'ArithTernary':
      return value(e.condition, state) !== 0 ? value(e.consequent, state) : value(e.alternate, state);
    case 'ArithUnary': {
      if (e.operator === '++' || e.operator === '--') {
        if (e.operand.type !== 'ArithVariable') throw new Error('syntax error: operand expected');
        const old = variable(e.operand.name, state);
        const next = assign(e.operand.name, old + (e.operator === '++' ? 1 : -1), state);
        return e.prefix ? next : old;
      }
      const v = value(e.operand, state);
      return e.operator === '-' ? -v : e.operator === '!' ? Number(v === 0) : e.operator === '~' ? -v - 1 : v;
    }
    case 'ArithBinary':
      if (e.operator === '&&') return Number(value(e.left, state) !== 0 && value(e.right, state) !== 0);
      if (e.operator === '||') return Number(value(e.left, state) !== 0 || value(e.right, state) !== 0);
      return binary(e.operator, value(e.left, state), value(e.right, state));
    case 'ArithAssignment': {
      const v = value(e.value, state);
      return assign(e.variable, e.operator === '=' ? v : binary(e.operator.slice(0, -1), variable(e.variable, state), v), state);
    }
    default:
      throw new Error(`ringscope: arithmetic '${e.type}' is not modelled`);
  }
}
