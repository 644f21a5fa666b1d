// The assertions of %{ }% blocks: the part of Python that tests of tcp_info use.

export type Names = ReadonlyMap<string, number>;

type Token = { readonly kind: 'number' | 'name' | 'op' | 'string'; readonly text: string };

function tokens(text: string): Token[] {
  const out: Token[] = [];
  const re =
    /\s*(?:(0x[0-9a-fA-F]+|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|('[^']*'|"[^"]*")|(<=|>=|==|!=|\/\/|\*\*|[-+*/%<>()[\],.&|~]))/gy;
  while (re.lastIndex < text.length) {
    if (text.slice(re.lastIndex).trim() === '') break;
    const m = re.exec(text);
    if (m === null) throw new Error(`cannot read: ${text}`);
    out.push({
      kind: m[1] !== undefined ? 'number' : m[2] !== undefined ? 'name' : m[3] !== undefined ? 'string' : 'op',
      text: m[1] ?? m[2] ?? m[3] ?? m[4],
    });
  }
  return out;
}

class Parser {
  private at = 0;
  constructor(
    private readonly list: readonly Token[],
    private readonly names: Names,
  ) {}
  private peek(): string {
    return this.list[this.at]?.text ?? '';
  }
  private take(): Token {
    const t = this.list[this.at++];
    if (t === undefined) throw new Error('the expression ends early');
    return t;
  }
  or(): number {
    let a = this.and();
    while (this.peek() === 'or') {
      this.at++;
      const b = this.and();
      a = a !== 0 ? a : b;
    }
    return a;
  }
  private and(): number {
    let a = this.not();
    while (this.peek() === 'and') {
      this.at++;
      const b = this.not();
      a = a === 0 ? a : b;
    }
    return a;
  }
  private not(): number {
    if (this.peek() !== 'not') return this.compare();
    this.at++;
    return this.not() === 0 ? 1 : 0;
  }
  /** Chained, as in Python: a <= x <= b. */
  private compare(): number {
    let a = this.sum();
    let result = -1;
    while (['<', '>', '<=', '>=', '==', '!='].includes(this.peek())) {
      const op = this.take().text;
      const b = this.sum();
      const holds = op === '<' ? a < b : op === '>' ? a > b : op === '<=' ? a <= b : op === '>=' ? a >= b : op === '==' ? a === b : a !== b;
      result = result === 0 || !holds ? 0 : 1;
      a = b;
    }
    return result < 0 ? a : result;
  }
  private sum(): number {
    let a = this.product();
    while (['+', '-', '&', '|'].includes(this.peek())) {
      const op = this.take().text;
      const b = this.product();
      a = op === '+' ? a + b : op === '-' ? a - b : op === '&' ? a & b : a | b;
    }
    return a;
  }
  private product(): number {
    let a = this.unary();
    while (['*', '/', '//', '%'].includes(this.peek())) {
      const op = this.take().text;
      const b = this.unary();
      a = op === '*' ? a * b : op === '/' ? a / b : op === '//' ? Math.floor(a / b) : a % b;
    }
    return a;
  }
  private unary(): number {
    if (this.peek() === '-') {
      this.at++;
      return -this.unary();
    }
    const t = this.take();
    if (t.kind === 'number') return Number(t.text);
    if (t.text === '(') {
      const v = this.or();
      if (this.take().text !== ')') throw new Error('a parenthesis is missing');
      return v;
    }
    if (t.kind !== 'name') throw new Error(`unexpected ${t.text}`);
    if (this.peek() === '(') return this.call(t.text);
    if (t.text === 'True') return 1;
    if (t.text === 'False') return 0;
    const value = this.names.get(t.text);
    if (value === undefined) throw new Error(`${t.text} is not known`);
    return value;
  }
  private call(name: string): number {
    this.at++;
    const args: number[] = [];
    while (this.peek() !== ')') {
      args.push(this.or());
      if (this.peek() === ',') this.at++;
    }
    this.at++;
    if (name === 'abs') return Math.abs(args[0]);
    if (name === 'int') return Math.trunc(args[0]);
    if (name === 'min') return Math.min(...args);
    if (name === 'max') return Math.max(...args);
    throw new Error(`${name}() is not known`);
  }
  get done(): boolean {
    return this.at >= this.list.length || this.peek() === ',';
  }
}

/** Runs a block; a message for the first assertion that does not hold, undefined when all do. */
export function runCode(text: string, names: Names): string | undefined {
  const env = new Map(names);
  for (const statement of text
    .replaceAll(/#[^\n]*/g, '')
    .replaceAll('\\\n', ' ')
    .split(/[\n;]/)
    .map((s) => s.trim())
    .filter((s) => s !== '')) {
    const assignment = /^([A-Za-z_]\w*)\s*=\s*([^=].*)$/.exec(statement);
    if (assignment !== null) {
      env.set(assignment[1], new Parser(tokens(assignment[2]), env).or());
      continue;
    }
    if (statement.startsWith('print')) continue;
    const m = /^assert\b\s*(.*)$/.exec(statement);
    if (m === null) throw new Error(`statement not known: ${statement}`);
    const parser = new Parser(tokens(m[1]), env);
    if (parser.or() !== 0) {
      if (!parser.done) throw new Error(`cannot read: ${statement}`);
      continue;
    }
    const shown = [...new Set(m[1].match(/tcpi_\w+/g) ?? [])].map((n) => `${n}=${env.get(n) ?? '?'}`).join(' ');
    return `${statement} (${shown})`;
  }
  return undefined;
}
