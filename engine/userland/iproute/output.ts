// Output of iproute2's tools: every item is written once, as text or as a JSON member.
import { type JsonScalar, JsonWriter } from './json_writer.ts';

export interface OutputOptions {
  readonly json: boolean;
  readonly pretty: boolean;
  readonly oneline: boolean;
  readonly color: boolean;
}

/** Meanings that `-c` colours (iproute2's palette for light backgrounds). */
export type ColorKind = 'ifname' | 'mac' | 'inet' | 'inet6' | 'operstate_up' | 'operstate_down' | 'none';
const COLORS: Readonly<Record<ColorKind, string>> = Object.freeze({
  ifname: '36',
  mac: '33',
  inet: '35',
  inet6: '34',
  operstate_up: '32',
  operstate_down: '31',
  none: '',
});

export class Out {
  private text = '';
  readonly json: JsonWriter | undefined;

  constructor(readonly opt: OutputOptions) {
    this.json = opt.json ? new JsonWriter(opt.pretty) : undefined;
  }

  /** All output so far; nothing remains. */
  take(): string {
    if (this.json !== undefined) return this.json.take();
    const t = this.text;
    this.text = '';
    return t;
  }

  /** Text as text, `value` as JSON member `key`. */
  any(key: string, value: JsonScalar, text: string): void {
    if (this.json !== undefined) this.json.field(key, value);
    else this.text += text;
  }
  /** The same with a coloured text. */
  colored(kind: ColorKind, key: string, value: JsonScalar, before: string, text: string, after = ''): void {
    if (this.json !== undefined) this.json.field(key, value);
    else this.text += before + this.paint(kind, text + after);
  }
  /** An element of an array. */
  item(value: JsonScalar, text: string): void {
    if (this.json !== undefined) this.json.value(value);
    else this.text += text;
  }
  fp(text: string): void {
    if (this.json === undefined) this.text += text;
  }
  js(key: string, value: JsonScalar): void {
    this.json?.field(key, value);
  }
  /** A line's end, or the backslash of -oneline. */
  nl(): void {
    this.fp(this.opt.oneline ? '\\' : '\n');
  }

  openObject(key?: string): void {
    this.json?.startObject(key);
  }
  closeObject(): void {
    this.json?.endObject();
  }
  openArray(key?: string): void {
    this.json?.startArray(key);
  }
  closeArray(): void {
    this.json?.endArray();
  }
  /** The document's array around a dump. */
  begin(): void {
    this.json?.startArray();
  }
  end(): void {
    if (this.json === undefined) return;
    this.json.endArray();
    this.json.raw('\n');
  }

  paint(kind: ColorKind, text: string): string {
    return this.opt.color && COLORS[kind] !== '' ? `\x1b[${COLORS[kind]}m${text}\x1b[0m` : text;
  }
}
