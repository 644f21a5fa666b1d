// Rules of the paged list: it asks for what is seen, once; and never mixes answers of two filters.
import { describe, expect, test } from 'vitest';
import { placed, RowPager, type RowAnswer } from './row_pager.ts';

interface Ask {
  readonly from: number;
  readonly answer: (value: RowAnswer<number>) => Promise<void>;
}

function scripted() {
  const asks: Ask[] = [];
  const failures: unknown[] = [];
  const pager = new RowPager<number>(
    (from) =>
      new Promise((resolve) => {
        asks.push({
          from,
          answer: async (value) => {
            resolve(value);
            await Promise.resolve();
          },
        });
      }),
    () => {},
    (error) => failures.push(error),
  );
  const rows = (from: number, total: number): RowAnswer<number> => ({
    total,
    matching: total,
    rows: Array.from({ length: Math.max(0, Math.min(200, total - from)) }, (_, i) => from + i),
  });
  return { pager, asks, rows };
}

describe('RowPager', () => {
  test('a page in view is asked for once, however often it is wanted', async () => {
    const { pager, asks, rows } = scripted();
    pager.reset();
    await asks[0].answer(rows(0, 1_000_000));
    pager.want(999_800, 1_000_000);
    pager.want(999_800, 1_000_000);
    expect(asks.map((a) => a.from)).toEqual([0, 999_800]);
    await asks[1].answer(rows(999_800, 1_000_000));
    expect(pager.row(999_999)).toBe(999_999);
  });

  test('an answer to an earlier filter is dropped', async () => {
    const { pager, asks, rows } = scripted();
    pager.reset();
    pager.reset();
    await asks[0].answer(rows(0, 500));
    expect(pager.matching).toBe(0);
    await asks[1].answer(rows(0, 3));
    expect([pager.matching, pager.row(2)]).toEqual([3, 2]);
  });

  test('a growing list refetches only its unfinished last page', async () => {
    const { pager, asks, rows } = scripted();
    pager.reset();
    await asks[0].answer(rows(0, 250));
    pager.want(200, 250);
    await asks[1].answer(rows(200, 250));
    pager.refresh();
    await asks[2].answer(rows(200, 300));
    pager.want(0, 300);
    expect(asks.map((a) => a.from)).toEqual([0, 200, 200]);
    expect(pager.row(299)).toBe(299);
  });

  test('after a step back the rows that are no longer there are forgotten', async () => {
    const { pager, asks, rows } = scripted();
    pager.reset();
    await asks[0].answer(rows(0, 500));
    pager.want(400, 500);
    await asks[1].answer(rows(400, 500));
    pager.refresh();
    await asks[2].answer(rows(400, 150));
    expect(pager.matching).toBe(150);
    expect(pager.row(160)).toBe(undefined);
  });

  test('rows the host has forgotten leave a gap, and those it has stand at their own places', () => {
    const answer = { total: 10, matching: 10, rows: [{ index: 7 }, { index: 8 }] };
    expect(placed(answer, 5, 4).rows).toEqual([undefined, undefined, { index: 7 }, { index: 8 }]);
    expect(placed({ ...answer, rows: [] }, 0, 3).rows).toEqual([undefined, undefined, undefined]);
  });
});
