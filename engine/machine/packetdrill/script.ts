// packetdrill's script language: text to a list of events (the syntax of google/packetdrill's scripts).

export interface Segment {
  readonly outbound: boolean;
  readonly flags: string;
  readonly seq: number;
  readonly length: number;
  readonly ack: number | undefined;
  readonly win: number | undefined;
  /** undefined: any options. */
  readonly options: readonly TcpOption[] | undefined;
  /** ECN codepoint, -1 when not given. */
  readonly ecn: number;
}
export type TcpOption =
  | { readonly kind: 'nop' | 'eol' | 'sackOK' }
  | { readonly kind: 'mss' | 'wscale'; readonly value: number }
  | { readonly kind: 'TS'; readonly val: number; readonly ecr: number }
  | { readonly kind: 'sack'; readonly blocks: readonly (readonly [number, number])[] };
export interface IcmpSpec {
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  /** The segment that it is about. */
  readonly seq: number;
  readonly length: number;
}
export type Action =
  | { readonly kind: 'segment'; readonly segment: Segment }
  | { readonly kind: 'icmp'; readonly icmp: IcmpSpec }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly args: readonly string[];
      readonly result: string;
      readonly end: number | undefined;
    }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'shell'; readonly text: string };

/** When: seconds since the start or since the event before. */
export interface ScriptEvent {
  readonly line: number;
  readonly relative: boolean;
  readonly any: boolean;
  readonly time: number;
  /** End of a range of times. */
  readonly until: number | undefined;
  readonly action: Action;
}
export interface Script {
  readonly options: ReadonlyMap<string, string>;
  readonly init: readonly string[];
  readonly events: readonly ScriptEvent[];
}

/** A script that cannot be read, or asks for what this interpreter does not have. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
  constructor(
    readonly line: number,
    what: string,
    readonly unsupported = false,
  ) {
    super(`line ${line}: ${what}`);
  }
}

/** Comments become blanks; line ends stay. */
function strip(text: string): string {
  let out = '';
  for (let i = 0; i < text.length;) {
    const c = text[i];
    if (c === '"' || c === "'" || c === '`') {
      const end = text.indexOf(c, i + 1);
      const stop = end < 0 || (c !== '`' && text.slice(i, end).includes('\n')) ? i + 1 : end + 1;
      out += text.slice(i, stop);
      i = stop;
    } else if (text.startsWith('%{', i)) {
      const end = text.indexOf('}%', i);
      const stop = end < 0 ? text.length : end + 2;
      out += text.slice(i, stop);
      i = stop;
    } else if (text.startsWith('//', i) || c === '#') {
      const end = text.indexOf('\n', i);
      i = end < 0 ? text.length : end;
    } else if (text.startsWith('/*', i)) {
      const end = text.indexOf('*/', i + 2);
      const stop = end < 0 ? text.length : end + 2;
      out += text.slice(i, stop).replaceAll(/[^\n]/g, ' ');
      i = stop;
    } else {
      out += c;
      i++;
    }
  }
  return out;
}

const NUMBER = String.raw`(?:\d+(?:\.\d+)?|\.\d+)`;
const TIME = new RegExp(String.raw`^(\*|\+?${NUMBER})(?:~(\+?${NUMBER}))?(?:\s*\.\.\.\s*(\+?${NUMBER}))?\s*`);

export function parseScript(source: string): Script {
  const text = strip(source);
  const options = new Map<string, string>();
  const init: string[] = [];
  const events: ScriptEvent[] = [];
  let at = 0;
  const lineOf = (pos: number): number => text.slice(0, pos).split('\n').length;
  for (;;) {
    while (at < text.length && /\s/.test(text[at])) at++;
    if (at >= text.length) break;
    const rest = text.slice(at);
    const line = lineOf(at);
    if (rest.startsWith('--')) {
      const end = rest.indexOf('\n');
      const word = (end < 0 ? rest : rest.slice(0, end)).trim();
      for (const w of word.split(/\s+/)) {
        const [name, value = ''] = w.slice(2).split('=');
        options.set(name, value);
      }
      at += end < 0 ? rest.length : end;
      continue;
    }
    if (rest.startsWith('`')) {
      const end = rest.indexOf('`', 1);
      if (end < 0) throw new ScriptError(line, 'a command without its end');
      init.push(rest.slice(1, end));
      at += end + 1;
      continue;
    }
    const m = TIME.exec(rest);
    if (m === null) throw new ScriptError(line, `not an event: ${rest.split('\n')[0]}`);
    at += m[0].length;
    const [action, length] = parseAction(text.slice(at), line, m[3]);
    at += length;
    events.push({
      line,
      any: m[1] === '*',
      relative: m[1].startsWith('+'),
      time: m[1] === '*' ? 0 : Number(m[1].replace('+', '')),
      until: m[2] === undefined ? undefined : Number(m[2].replace('+', '')),
      action,
    });
  }
  return { options, init, events };
}

function parseAction(rest: string, line: number, blockedUntil: string | undefined): [Action, number] {
  if (rest.startsWith('%{')) {
    const end = rest.indexOf('}%');
    if (end < 0) throw new ScriptError(line, 'code without its end');
    return [{ kind: 'code', text: rest.slice(2, end) }, end + 2];
  }
  if (rest.startsWith('`')) {
    const end = rest.indexOf('`', 1);
    return [{ kind: 'shell', text: rest.slice(1, end) }, end + 1];
  }
  if (/^[<>]/.test(rest)) return parsePacket(rest, line);
  return parseCall(rest, line, blockedUntil);
}

function parseCall(rest: string, line: number, blockedUntil: string | undefined): [Action, number] {
  const m = /^([a-z_0-9]+)\s*\(/.exec(rest);
  if (m === null) throw new ScriptError(line, `not an event: ${rest.split('\n')[0]}`);
  let depth = 1;
  let i = m[0].length;
  let word = '';
  const args: string[] = [];
  for (; i < rest.length && depth > 0; i++) {
    const c = rest[i];
    if (c === '"') {
      const end = rest.indexOf('"', i + 1);
      word += rest.slice(i, end + 1);
      i = end;
      continue;
    }
    if ('([{'.includes(c)) depth++;
    if (')]}'.includes(c)) depth--;
    if (depth === 0) break;
    if (c === ',' && depth === 1) {
      args.push(word.trim());
      word = '';
    } else word += c;
  }
  if (word.trim() !== '') args.push(word.trim());
  const tail = /^\)\s*=\s*(-?(?:0x[0-9a-fA-F]+|\d+)(?:\s+E[A-Z0-9]+)?|\?)[ \t]*(\([^)\n]*\))?/.exec(rest.slice(i));
  if (tail === null) throw new ScriptError(line, `${m[1]} has no result`);
  return [
    {
      kind: 'call',
      name: m[1],
      args,
      result: tail[1],
      end: blockedUntil === undefined ? undefined : Number(blockedUntil.replace('+', '')),
    },
    i + tail[0].length,
  ];
}

const ECN: Readonly<Record<string, number>> = Object.freeze({ noecn: 0, ect1: 1, ect0: 2, ce: 3, ect01: -1 });

function parsePacket(rest: string, line: number): [Action, number] {
  const outbound = rest.startsWith('>');
  const icmp = /^[<>]\s*icmp\s+unreachable\s+(\w+)(?:\s+mtu\s+(\d+))?\s*\[(\d+):(\d+)\((\d+)\)\]/.exec(rest);
  if (icmp !== null) {
    const codes: Readonly<Record<string, number>> = {
      net_unreachable: 0,
      host_unreachable: 1,
      protocol_unreachable: 2,
      port_unreachable: 3,
      frag_needed: 4,
    };
    const code = codes[icmp[1]];
    if (code === undefined || outbound) throw new ScriptError(line, `icmp ${icmp[1]}`, true);
    return [
      { kind: 'icmp', icmp: { type: 3, code, mtu: Number(icmp[2] ?? 0), seq: Number(icmp[3]), length: Number(icmp[5]) } },
      icmp[0].length,
    ];
  }
  const m =
    /^[<>]\s*(?:\[([\w, ]+)\]\s*)?(?:\((\w+)\)\s*)?([FSRP.UEWAC]+|-)\s+(?:(\d+):(\d+)\((\d+)\)|(\d+)\((\d+)\))(?:\s+ack\s+(\d+))?(?:\s+win\s+(\d+))?(?:\s+urg\s+(\d+))?/.exec(
      rest,
    );
  if (m === null) throw new ScriptError(line, `packet: ${rest.split('\n')[0]}`, true);
  let length = m[0].length;
  let options: TcpOption[] | undefined = outbound && m[9] === undefined ? [] : [];
  const opt = /^\s*<([^>]*)>/.exec(rest.slice(length));
  if (opt !== null) {
    length += opt[0].length;
    options = opt[1].trim() === '...' ? undefined : parseTcpOptions(opt[1], line);
  }
  const seq = Number(m[4] ?? m[7]);
  const ecn = m[1] !== undefined ? (ECN[m[1].trim()] ?? -1) : -1;
  return [
    {
      kind: 'segment',
      segment: {
        outbound,
        flags: m[3],
        seq,
        length: Number(m[6] ?? m[8]),
        ack: m[9] === undefined ? undefined : Number(m[9]),
        win: m[10] === undefined ? undefined : Number(m[10]),
        options,
        ecn,
      },
    },
    length,
  ];
}

function parseTcpOptions(text: string, line: number): TcpOption[] {
  return text
    .split(',')
    .map((w) => w.trim())
    .filter((w) => w !== '')
    .map((w): TcpOption => {
      const words = w.split(/\s+/);
      switch (words[0]) {
        case 'nop':
        case 'eol':
        case 'sackOK':
          return { kind: words[0] };
        case 'mss':
        case 'wscale':
          return { kind: words[0], value: Number(words[1]) };
        case 'TS':
          return { kind: 'TS', val: Number(words[2]), ecr: Number(words[4]) };
        case 'sack':
          return { kind: 'sack', blocks: words.slice(1).map((b) => b.split(':').map(Number) as [number, number]) };
        default:
          throw new ScriptError(line, `TCP option ${words[0]}`, true);
      }
    });
}
