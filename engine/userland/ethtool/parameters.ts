// Parameters of ethtool's setting commands, NAME VALUE in any order, with the parser's complaints.
import { ToolExit } from '../tool.ts';

export type ParameterKind = 'u32' | 'bool' | 'word';

/** Decimal, or hexadecimal with 0x; a leading zero says nothing. */
function parseNumber(word: string): number | undefined {
  const n = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(word) ? Number(word) : Number.NaN;
  return n <= 0xffffffff ? n : undefined;
}

export interface GivenParameter {
  readonly name: string;
  readonly value: number | boolean | string;
}

/** `command` is the option as messages name it ('-G'). Parameters keep their order. */
export function parseParameters(
  command: string,
  args: readonly string[],
  known: Readonly<Record<string, ParameterKind>>,
  options: { readonly required?: boolean } = {},
): GivenParameter[] {
  const fail = (text: string): never => {
    throw new ToolExit(1, `ethtool (${command}): ${text}\n`);
  };
  if (options.required === true && args.length === 0) return fail('parameters missing');
  const given: GivenParameter[] = [];
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i];
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) return fail(`unknown parameter '${name}'`);
    if (given.some((g) => g.name === name)) return fail(`duplicate parameter '${name}'`);
    const word = args[i + 1];
    if (word === undefined) return fail(`no value for parameter '${name}'`);
    const value =
      kind === 'word' ? word : kind === 'bool' ? ({ on: true, off: false } as Record<string, boolean>)[word] : parseNumber(word);
    if (value === undefined) return fail(`invalid value '${word}' for parameter '${name}'`);
    given.push({ name, value });
  }
  return given;
}
