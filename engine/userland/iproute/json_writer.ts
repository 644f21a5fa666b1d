// JSON text in the layout of iproute2's and ethtool's writer: compact, or indented by four per level with inline array brackets.

export type JsonScalar = string | number | boolean | null;

export class JsonWriter {
  private out = '';
  private depth = 0;
  private sep = '';
  constructor(readonly pretty: boolean) {}

  /** All that was written; the writer is empty afterwards. */
  take(): string {
    const text = this.out;
    this.out = '';
    return text;
  }

  raw(text: string): void {
    this.out += text;
  }

  name(key: string): void {
    this.separate();
    this.line();
    this.sep = '';
    this.out += `${JSON.stringify(key)}:${this.pretty ? ' ' : ''}`;
  }

  startObject(key?: string): void {
    if (key !== undefined) this.name(key);
    this.begin('{');
  }
  endObject(): void {
    this.end('}');
  }

  startArray(key?: string): void {
    if (key !== undefined) this.name(key);
    this.begin('[');
    if (this.pretty) this.out += ' ';
  }
  endArray(): void {
    if (this.pretty && this.sep !== '') this.out += ' ';
    this.sep = '';
    this.end(']');
  }

  value(v: JsonScalar): void {
    this.separate();
    this.out += JSON.stringify(v);
  }
  /** A number as the tool formats it (fixed decimals). */
  number(text: string): void {
    this.separate();
    this.out += text;
  }
  field(key: string, v: JsonScalar): void {
    this.name(key);
    this.value(v);
  }

  private begin(c: string): void {
    this.separate();
    this.out += c;
    this.depth++;
    this.sep = '';
  }
  private end(c: string): void {
    this.depth--;
    if (this.sep !== '') this.line();
    this.out += c;
    this.sep = ',';
  }
  private separate(): void {
    this.out += this.sep;
    this.sep = ',';
  }
  private line(): void {
    if (this.pretty) this.out += `\n${'    '.repeat(this.depth)}`;
  }
}
