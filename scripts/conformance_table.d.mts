// Types of conformance_table.mjs for what is written in TypeScript.
export interface Rule {
  /** Section and place there: '2.1.1#2'. */
  readonly id: string;
  readonly side: string;
  readonly about: string;
  readonly text: string;
  readonly state: string;
  readonly why: string;
  readonly tests: readonly { readonly file: string; readonly words: string }[];
}
export function readRules(): Rule[];
/** Tests that rules name and that are not there, a line each. */
export function missingTests(rules: readonly Rule[]): string[];
/** docs/conformance.md */
export function page(rules: readonly Rule[]): string;
