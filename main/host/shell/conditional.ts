// `[[ … ]]`, `[ … ]` and `test`.
import type { CommandNode } from 'just-bash';
import type { Expander } from './expand.ts';
import { ShellError } from './expand.ts';
import { patternToRegExp } from './glob.ts';
import type { ShellState } from './state.ts';

export type Condition = Extract<CommandNode, { type: 'ConditionalCommand' }>['expression'];

export async function conditional(c: Condition, state: ShellState, x: Expander): Promise<boolean> {
  switch (c.type) {
    case 'CondNot':
      return !(await conditional(c.operand, state, x));
    case 'CondAnd':
      return (await conditional(c.left, state, x)) && conditional(c.right, state, x);
    case 'CondOr':
      return (await conditional(c.left, state, x)) || conditional(c.right, state, x);
    case 'CondGroup':
      return conditional(c.expression, state, x);
    case 'CondWord':
      return (await x.single(c.word, state)) !== '';
    case 'CondUnary':
      return unary(c.operator, await x.single(c.operand, state), state);
    case 'CondBinary': {
      const left = await x.single(c.left, state);
      if (c.operator === '=' || c.operator === '==' || c.operator === '!=') {
        return patternToRegExp(await x.pattern(c.right, state)).test(left) === (c.operator !== '!=');
      }
      const right = await x.single(c.right, state);
      if (c.operator === '=~') return new RegExp(right).test(left);
      return binary(left, c.operator, right);
    }
  }
}

function unary(op: string, arg: string, state: ShellState): boolean {
  if (op === '-z') return arg === '';
  if (op === '-n') return arg !== '';
  if (op === '-v') return state.vars.has(arg);
  if (op === '-t') return state.shared.interactive && /^[012]$/.test(arg);
  const r = state.port.fs(state.netns, state.cwd, { call: 'stat', path: state.resolve(arg) });
  if (!r.ok || r.stat === undefined) return false;
  switch (op) {
    case '-e':
    case '-a':
    case '-r':
    case '-w':
      return true;
    case '-f':
      return r.stat.type === 'file';
    case '-d':
      return r.stat.type === 'dir';
    case '-h':
    case '-L':
      return r.stat.type === 'link';
    case '-s':
      return r.stat.size > 0;
    case '-x':
      return (r.stat.mode & 0o111) !== 0;
    default:
      return false;
  }
}

function binary(a: string, op: string, b: string): boolean {
  const integer = (t: string): number => {
    if (!/^\s*[+-]?\d+\s*$/.test(t)) throw new ShellError(`[: ${t}: integer expression expected`, 2);
    return Number(t);
  };
  switch (op) {
    case '=':
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '-eq':
      return integer(a) === integer(b);
    case '-ne':
      return integer(a) !== integer(b);
    case '-lt':
      return integer(a) < integer(b);
    case '-le':
      return integer(a) <= integer(b);
    case '-gt':
      return integer(a) > integer(b);
    case '-ge':
      return integer(a) >= integer(b);
    default:
      throw new ShellError(`[: ${op}: binary operator expected`, 2);
  }
}

/** `test` and `[`: POSIX rules by number of arguments, with -a, -o and parentheses for more. */
export function test(args: readonly string[], state: ShellState): boolean {
  let at = 0;
  const primary = (): boolean => {
    const a = args[at];
    if (a === undefined) return false;
    const left = args.length - at;
    if (a === '!' && left > 1) {
      at++;
      return !primary();
    }
    if (a === '(' && left > 2) {
      at++;
      const v = or();
      at++;
      return v;
    }
    if (left >= 3 && /^(=|==|!=|<|>|-eq|-ne|-lt|-le|-gt|-ge)$/.test(args[at + 1])) {
      at += 3;
      return binary(a, args[at - 2], args[at - 1]);
    }
    if (left >= 2 && /^-[a-zA-Z]$/.test(a) && !/^-[ao]$/.test(args[at + 1])) {
      at += 2;
      return unary(a, args[at - 1], state);
    }
    at++;
    return a !== '';
  };
  const and = (): boolean => {
    let v = primary();
    while (args[at] === '-a') {
      at++;
      v = primary() && v;
    }
    return v;
  };
  const or = (): boolean => {
    let v = and();
    while (args[at] === '-o') {
      at++;
      v = and() || v;
    }
    return v;
  };
  return or();
}
