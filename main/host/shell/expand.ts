// Word expansion: tilde, parameters, command substitution, arithmetic, braces, field splitting, file names, quote removal.
import type { ScriptNode, WordNode } from 'just-bash';
import { evaluate } from './arithmetic.ts';
import { globFiles, hasGlob, patternToRegExp } from './glob.ts';
import type { ShellState } from './state.ts';

type Part = WordNode['parts'][number];
type ParameterPart = Extract<Part, { type: 'ParameterExpansion' }>;
type Operation = NonNullable<ParameterPart['operation']>;

/** Runs `$(…)` and answers its output; supplied by the interpreter. */
export type Substitute = (script: ScriptNode, state: ShellState) => Promise<string>;

/** A shell error that ends the command with a message and status 1. */
export class ShellError extends Error {
  constructor(
    message: string,
    readonly status = 1,
  ) {
    super(message);
  }
}

/** A run of characters of a word being expanded. Quoted text is neither split nor globbed. */
interface Piece {
  readonly text: string;
  readonly quoted: boolean;
  /** Ends a field even when empty ("$@"). */
  readonly breakAfter?: boolean;
}

export class Expander {
  constructor(private readonly substitute: Substitute) {}

  /** All fields of a list of words. */
  async fields(words: readonly WordNode[], state: ShellState): Promise<string[]> {
    const out: string[] = [];
    for (const w of words) for (const alt of braces(w)) out.push(...(await this.wordFields(alt, state)));
    return out;
  }

  /** One string without splitting or globbing (assignments, redirection targets, case words). */
  async single(word: WordNode, state: ShellState): Promise<string> {
    return (await this.pieces(word.parts, state, false)).map((p) => p.text).join('');
  }

  /** A pattern: quoted magic characters are escaped with a backslash. */
  async pattern(word: WordNode, state: ShellState): Promise<string> {
    return (await this.pieces(word.parts, state, false))
      .map((p) => (p.quoted ? p.text.replaceAll(/[*?[\\\]]/g, String.raw`\$&`) : p.text))
      .join('');
  }

  private async wordFields(word: WordNode, state: ShellState): Promise<string[]> {
    const pieces = await this.pieces(word.parts, state, false);
    const ifs = state.vars.get('IFS') ?? ' \t\n';
    const fields: { text: string; pattern: string; glob: boolean }[] = [];
    let current: { text: string; pattern: string; glob: boolean } | undefined;
    const flush = (): void => {
      if (current !== undefined) fields.push(current);
      current = undefined;
    };
    for (const p of pieces) {
      if (p.quoted) {
        current ??= { text: '', pattern: '', glob: false };
        current.text += p.text;
        current.pattern += p.text.replaceAll(/[*?[\\\]]/g, String.raw`\$&`);
        if (p.breakAfter === true) flush();
        continue;
      }
      const split = 'split' in p && ifs !== '';
      const parts = split ? splitFields(p.text, ifs) : [p.text];
      parts.forEach((t, i) => {
        if (i > 0) flush();
        if (t === '' && split) return;
        current ??= { text: '', pattern: '', glob: false };
        current.text += t;
        current.pattern += t;
        if (hasGlob(t)) current.glob = true;
      });
    }
    flush();
    return fields.flatMap((f) => {
      if (!f.glob) return [f.text];
      const files = globFiles(f.pattern, state);
      return files.length > 0 ? files : [f.text];
    });
  }

  private async pieces(parts: readonly Part[], state: ShellState, quoted: boolean): Promise<Piece[]> {
    const out: Piece[] = [];
    for (const part of parts) {
      switch (part.type) {
        case 'Literal':
          out.push({ text: part.value, quoted });
          break;
        case 'Glob':
          out.push({ text: part.pattern, quoted });
          break;
        case 'SingleQuoted':
        case 'Escaped':
          out.push({ text: part.value, quoted: true });
          break;
        case 'DoubleQuoted': {
          const inner = await this.pieces(part.parts, state, true);
          if (inner.length === 0 && !part.parts.some(isAllPositional)) out.push({ text: '', quoted: true });
          out.push(...inner);
          break;
        }
        case 'TildeExpansion':
          out.push({ text: part.user === null ? (state.vars.get('HOME') ?? '/root') : `~${part.user}`, quoted: true });
          break;
        case 'ArithmeticExpansion':
          try {
            out.push(splittable(String(evaluate(part.expression, state)), quoted));
          } catch (e) {
            throw new ShellError(e instanceof Error ? e.message : String(e));
          }
          break;
        case 'CommandSubstitution':
          out.push(splittable((await this.substitute(part.body, state)).replace(/\n+$/, ''), quoted));
          break;
        case 'ParameterExpansion':
          out.push(...(await this.parameter(part, state, quoted)));
          break;
        case 'BraceExpansion':
          break;
        case 'ProcessSubstitution':
          throw new ShellError("ringscope: bash: process substitution '<( )' is not modelled");
      }
    }
    return out;
  }

  private async parameter(part: ParameterPart, state: ShellState, quoted: boolean): Promise<Piece[]> {
    const name = part.parameter;
    if ((name === '@' || name === '*') && part.operation === null) {
      if (quoted && name === '@')
        return state.positional.map((text, i) => ({
          text,
          quoted: true,
          ...(i < state.positional.length - 1 ? { breakAfter: true } : {}),
        }));
      return [splittable(state.positional.join(' '), quoted)];
    }
    const value = lookup(name, state);
    if (part.operation === null) {
      if (value === undefined && state.nounset) throw new ShellError(`${name}: unbound variable`);
      return [splittable(value ?? '', quoted)];
    }
    return [splittable(await this.operate(name, value, part.operation, state), quoted)];
  }

  private async operate(name: string, value: string | undefined, op: Operation, state: ShellState): Promise<string> {
    const v = value ?? '';
    const unset = (checkEmpty: boolean): boolean => value === undefined || (checkEmpty && value === '');
    switch (op.type) {
      case 'DefaultValue':
        return unset(op.checkEmpty) ? this.single(op.word, state) : v;
      case 'AssignDefault': {
        if (!unset(op.checkEmpty)) return v;
        const text = await this.single(op.word, state);
        state.vars.set(name, text);
        return text;
      }
      case 'UseAlternative':
        return unset(op.checkEmpty) ? '' : this.single(op.word, state);
      case 'ErrorIfUnset':
        if (unset(op.checkEmpty))
          throw new ShellError(`${name}: ${op.word === null ? 'parameter null or not set' : await this.single(op.word, state)}`);
        return v;
      case 'Length':
        return String(name === '@' || name === '*' ? state.positional.length : Array.from(v).length);
      case 'Substring': {
        const from = evaluate(op.offset, state);
        const start = from < 0 ? Math.max(0, v.length + from) : from;
        const length = op.length === null ? undefined : evaluate(op.length, state);
        return length === undefined ? v.slice(start) : length < 0 ? v.slice(start, v.length + length) : v.slice(start, start + length);
      }
      case 'PatternRemoval':
        return removePattern(v, await this.pattern(op.pattern, state), op.side, op.greedy);
      case 'PatternReplacement': {
        const source = patternToRegExp(await this.pattern(op.pattern, state)).source.slice(1, -1);
        const by = op.replacement === null ? '' : await this.single(op.replacement, state);
        const re = new RegExp(`${op.anchor === 'start' ? '^' : ''}${source}${op.anchor === 'end' ? '$' : ''}`, op.all ? 'gu' : 'u');
        return v.replace(re, () => by);
      }
      case 'CaseModification': {
        const change = (t: string): string => (op.direction === 'upper' ? t.toUpperCase() : t.toLowerCase());
        return op.all ? change(v) : change(v.slice(0, 1)) + v.slice(1);
      }
      default:
        throw new ShellError(`ringscope: bash: parameter expansion '${op.type}' is not modelled`);
    }
  }
}

const splittable = (text: string, quoted: boolean): Piece => (quoted ? { text, quoted } : ({ text, quoted, split: true } as Piece));
const isAllPositional = (p: Part): boolean => p.type === 'ParameterExpansion' && p.parameter === '@';

function lookup(name: string, state: ShellState): string | undefined {
  switch (name) {
    case '?':
      return String(state.status);
    case '!':
      return state.lastBackground === 0 ? '' : String(state.lastBackground);
    case '$':
      return String(state.job.pid);
    case '#':
      return String(state.positional.length);
    case '@':
    case '*':
      return state.positional.join(' ');
    case '0':
      return 'bash';
    case '-':
      return state.shared.interactive ? 'himBHs' : 'hBs';
    case 'SECONDS':
      return String(Math.floor(state.port.now() / 1e9));
    default:
      return /^\d+$/.test(name) ? state.positional[Number(name) - 1] : state.vars.get(name);
  }
}

/** IFS splitting: white-space separators collapse, others delimit. The first and last fields may be '' to mark an edge. */
function splitFields(text: string, ifs: string): string[] {
  const out: string[] = [''];
  let gap = false;
  for (const c of text) {
    if (ifs.includes(c)) {
      if (!/\s/.test(c) || !gap) out.push('');
      gap = true;
    } else {
      gap = false;
      out[out.length - 1] += c;
    }
  }
  return out;
}

function removePattern(v: string, pattern: string, side: 'prefix' | 'suffix', greedy: boolean): string {
  const re = patternToRegExp(pattern);
  const lengths = Array.from({ length: v.length + 1 }, (_, i) => i);
  if (greedy) lengths.reverse();
  for (const n of lengths) {
    const part = side === 'prefix' ? v.slice(0, n) : v.slice(v.length - n);
    if (re.test(part)) return side === 'prefix' ? v.slice(n) : v.slice(0, v.length - n);
  }
  return v;
}

/** Brace expansion makes several words of one: a{b,c}d → abd acd. */
function braces(word: WordNode): WordNode[] {
  const at = word.parts.findIndex((p) => p.type === 'BraceExpansion');
  if (at < 0) return [word];
  const brace = word.parts[at] as Extract<Part, { type: 'BraceExpansion' }>;
  const before = word.parts.slice(0, at);
  const rest = word.parts.slice(at + 1);
  const middles: Part[][] = brace.items.flatMap((item) => {
    if (item.type === 'Word') return braces(item.word).map((w) => w.parts);
    return range(item).map((value): Part[] => [{ type: 'Literal', value }]);
  });
  return middles.flatMap((m) => braces({ type: 'Word', parts: [...before, ...m, ...rest] }));
}

function range(item: { start: string | number; end: string | number; step?: number; startStr?: string }): string[] {
  const isChar = typeof item.start === 'string';
  const code = (end: string | number): number => (typeof end === 'string' ? (end.codePointAt(0) ?? 0) : end);
  const a = code(item.start);
  const b = code(item.end);
  const step = Math.max(1, Math.abs(item.step ?? 1));
  const width = !isChar && /^-?0\d/.test(item.startStr ?? '') ? (item.startStr ?? '').length : 0;
  const out: string[] = [];
  for (let i = a; a <= b ? i <= b : i >= b; i += a <= b ? step : -step)
    out.push(isChar ? String.fromCodePoint(i) : String(i).padStart(width, '0'));
  return out;
}
