// Event filters: the boolean expressions over an event's fields that events/*/*/filter takes (Linux: kernel/trace/trace_events_filter.c).
import type { ArgValue, EventDef } from '../../trace/trace.ts';
import { globToRegExp } from './filter.ts';

type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | '&' | '~';
/** The parsed form; plain data, so that it forks with the world. */
export type Predicate =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Predicate[] }
  | { readonly kind: 'not'; readonly part: Predicate }
  | { readonly kind: 'test'; readonly field: string; readonly op: Comparison; readonly value: string };

const TOKEN = /\s*(&&|\|\||==|!=|<=|>=|[<>~&!()]|"[^"]*"|[\w.*?:/-]+)/y;

function tokenize(text: string): string[] | undefined {
  const out: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const m = TOKEN.exec(text);
    if (m === null) return undefined;
    out.push(m[1]);
  }
  return out;
}

/** Fields every event has. */
const COMMON: ReadonlySet<string> = new Set(['common_pid', 'common_comm', 'COMM', 'comm', 'common_cpu', 'CPU', 'cpu']);
const isTextField = (def: EventDef, field: string): boolean =>
  /comm$/i.test(field) || def.args.find((a) => a.name === field)?.kind === 'str';

class Parser {
  private at = 0;
  constructor(
    private readonly tokens: readonly string[],
    private readonly def: EventDef,
  ) {}

  parse(): Predicate | undefined {
    const p = this.any();
    return this.at === this.tokens.length ? p : undefined;
  }

  private any(): Predicate | undefined {
    return this.list('||', 'or', () => this.list('&&', 'and', () => this.one()));
  }

  private list(separator: string, kind: 'and' | 'or', next: () => Predicate | undefined): Predicate | undefined {
    const first = next();
    if (first === undefined) return undefined;
    const parts = [first];
    while (this.tokens[this.at] === separator) {
      this.at++;
      const part = next();
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return parts.length === 1 ? first : { kind, parts };
  }

  private one(): Predicate | undefined {
    const token = this.tokens[this.at++];
    if (token === '!') {
      const part = this.one();
      return part === undefined ? undefined : { kind: 'not', part };
    }
    if (token === '(') {
      const inner = this.any();
      return this.tokens[this.at++] === ')' ? inner : undefined;
    }
    const op = this.tokens[this.at++];
    const raw = this.tokens[this.at++];
    if (token === undefined || raw === undefined || !/^(==|!=|<=|>=|[<>&~])$/.test(op ?? '')) return undefined;
    if (!COMMON.has(token) && !this.def.args.some((a) => a.name === token)) return undefined;
    const value = raw.replaceAll('"', '');
    const text = isTextField(this.def, token);
    if (text ? !/^(==|!=|~)$/.test(op) : op === '~' || Number.isNaN(Number(value))) return undefined;
    return { kind: 'test', field: token, op: op as Comparison, value };
  }
}

/** undefined for an expression that is no filter of this event (EINVAL). */
export function parseFilter(text: string, def: EventDef): Predicate | undefined {
  const tokens = tokenize(text.trim());
  return tokens === undefined || tokens.length === 0 ? undefined : new Parser(tokens, def).parse();
}

/** Who the event happened to, for the common fields. */
export interface EventSubject {
  readonly pid: number;
  readonly comm: string;
  readonly cpu: number;
}

export function matches(p: Predicate, args: Readonly<Record<string, ArgValue>>, subject: EventSubject): boolean {
  switch (p.kind) {
    case 'and':
      return p.parts.every((q) => matches(q, args, subject));
    case 'or':
      return p.parts.some((q) => matches(q, args, subject));
    case 'not':
      return !matches(p.part, args, subject);
    case 'test':
      return compare(p.op, fieldOf(p.field, args, subject), p.value);
  }
}

function fieldOf(field: string, args: Readonly<Record<string, ArgValue>>, subject: EventSubject): ArgValue {
  if (!COMMON.has(field)) return args[field];
  return /comm$/i.test(field) ? subject.comm : field.endsWith('pid') ? subject.pid : subject.cpu;
}

function compare(op: Comparison, actual: ArgValue, wanted: string): boolean {
  if (typeof actual === 'string') {
    if (op === '~') return globToRegExp(wanted).test(actual);
    return op === '==' ? actual === wanted : actual !== wanted;
  }
  const a = Number(actual);
  const b = Number(wanted);
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    default:
      return (a & b) !== 0;
  }
}
