// Every shipped lab, run twice, is the same run: same events, same frames, same state.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startHeadlessFor } from '../testkit/headless.ts';
import { parseLab } from '../../main/host/labs.ts';

const LABS = 'resources/labs';

describe('a shipped lab', () => {
  test.each(readdirSync(LABS).filter((f) => f.endsWith('.lab.yaml')))('%s: two runs are one', async (file) => {
    const lab = parseLab(readFileSync(`${LABS}/${file}`, 'utf8'), file);
    const [a, b] = [await startHeadlessFor(lab), await startHeadlessFor(lab)];
    expect(a.state).toBe(b.state);
    expect(a.events).toBe(b.events);
    expect(a.frames).toBe(b.frames);
    expect(a.output).toBe(b.output);
    expect(a.statuses).toEqual(lab.script.map(() => 0));
    const other = await startHeadlessFor({ ...lab, seed: lab.seed + 1 });
    expect(other.state).not.toBe(a.state);
  });
});
