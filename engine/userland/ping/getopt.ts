// getopt(3): short options, bundled or apart, anywhere before `--`.

export interface ParsedOptions {
  /** In the order given; value undefined for options without argument. */
  readonly options: readonly { readonly letter: string; readonly value: string | undefined }[];
  readonly operands: readonly string[];
  /** getopt's message for the first bad option, e.g. "invalid option -- 'Z'". */
  readonly error: string | undefined;
}

/** `spec`: letters, followed by ':' when they take an argument. Options after a bad one are not read. */
export function getopt(argv: readonly string[], spec: string): ParsedOptions {
  const options: { letter: string; value: string | undefined }[] = [];
  const operands: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i];
    if (word === '--') {
      operands.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    for (let k = 1; k < word.length; k++) {
      const letter = word[k];
      const at = letter === ':' ? -1 : spec.indexOf(letter);
      if (at < 0) return { options, operands, error: `invalid option -- '${letter}'` };
      if (spec[at + 1] !== ':') {
        options.push({ letter, value: undefined });
        continue;
      }
      const value = k + 1 < word.length ? word.slice(k + 1) : argv[++i];
      if (value === undefined) return { options, operands, error: `option requires an argument -- '${letter}'` };
      options.push({ letter, value });
      break;
    }
  }
  return { options, operands, error: undefined };
}
