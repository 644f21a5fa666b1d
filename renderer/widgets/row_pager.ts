// Rows of a long list held by the host, fetched in pages as they come into view and forgotten when far away. Pure but for the fetch it is given.

const PAGE = 200;
const PAGES_KEPT = 40;

export interface RowAnswer<T> {
  readonly total: number;
  readonly matching: number;
  /** Where the host has already forgotten the oldest ones: undefined. */
  readonly rows: readonly (T | undefined)[];
}
export type FetchRows<T> = (from: number, count: number) => Promise<RowAnswer<T>>;

/** Puts rows at the places their indices say, when the first of those asked for are no longer kept. */
export function placed<T extends { readonly index: number }>(answer: RowAnswer<T>, from: number, count: number): RowAnswer<T> {
  const length = Math.max(0, Math.min(count, answer.matching - from));
  if (answer.rows.length >= length) return answer;
  const rows = Array.from<T | undefined>({ length });
  for (const row of answer.rows) if (row) rows[row.index - from] = row;
  return { ...answer, rows };
}

export class RowPager<T> {
  /** Rows that match the filter now; the length of the list. */
  matching = 0;
  /** Rows there are without a filter. */
  total = 0;
  private pages = new Map<number, readonly (T | undefined)[]>();
  private readonly asked = new Set<number>();
  private generation = 0;
  private readonly fetchRows: FetchRows<T>;
  private readonly changed: () => void;
  private readonly failed: (error: unknown) => void;

  /** `changed` is called after rows or lengths have arrived. */
  constructor(fetchRows: FetchRows<T>, changed: () => void, failed: (error: unknown) => void) {
    this.fetchRows = fetchRows;
    this.changed = changed;
    this.failed = failed;
  }

  /** The row, or undefined while it is on its way. */
  row(index: number): T | undefined {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Asks for what is missing of rows [from, to), and of one page beyond in each direction nothing. */
  want(from: number, to: number): void {
    const last = Math.max(0, Math.min(to, this.matching) - 1);
    for (let page = Math.floor(from / PAGE); page <= Math.floor(last / PAGE); page++) {
      if (!this.isComplete(page)) this.load(page);
    }
  }

  /** The list has grown (or shrunk, after a step back): learn the new length; what is shown stays until its page is known again. */
  refresh(): void {
    this.load(Math.max(0, Math.floor((this.matching - 1) / PAGE)));
  }

  /** Another filter, or another past: nothing known holds any longer. */
  reset(): void {
    this.generation++;
    this.pages.clear();
    this.asked.clear();
    this.matching = 0;
    this.total = 0;
    this.load(0);
  }

  private isComplete(page: number): boolean {
    const rows = this.pages.get(page);
    return rows !== undefined && rows.length >= Math.min(PAGE, this.matching - page * PAGE);
  }

  private load(page: number): void {
    if (this.asked.has(page)) return;
    this.asked.add(page);
    const { generation } = this;
    this.fetchRows(page * PAGE, PAGE).then(
      (answer) => this.accept(page, generation, answer),
      (error: unknown) => {
        this.asked.delete(page);
        if (generation === this.generation) this.failed(error);
      },
    );
  }

  private accept(page: number, generation: number, answer: RowAnswer<T>): void {
    if (generation !== this.generation) return;
    this.asked.delete(page);
    if (answer.matching < this.matching) this.forgetFrom(answer.matching);
    this.total = answer.total;
    this.matching = answer.matching;
    this.pages.delete(page);
    this.pages.set(page, answer.rows);
    for (const oldest of this.pages.keys()) {
      if (this.pages.size <= PAGES_KEPT) break;
      this.pages.delete(oldest);
    }
    this.changed();
  }

  private forgetFrom(length: number): void {
    for (const page of this.pages.keys()) if ((page + 1) * PAGE > length) this.pages.delete(page);
  }
}
