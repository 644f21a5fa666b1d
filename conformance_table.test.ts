// docs/conformance.md says what conformance/rules/ say, and every test that a rule names is there.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { missingTests, page, readRules } from './scripts/conformance_table.mjs';

const rules = readRules();

test('every test that a rule names exists', () => {
  expect(missingTests(rules)).toEqual([]);
  expect(missingTests([{ ...rules[0], tests: [{ file: 'engine/tests/rings.test.ts', words: 'no such words' }] }])).toHaveLength(1);
});

test('docs/conformance.md is what scripts/conformance_table.mjs writes', () => {
  expect(readFileSync('docs/conformance.md', 'utf8')).toBe(page(rules));
});
