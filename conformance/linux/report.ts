// What was checked and what came out, line by line, as a table with a count at its end.

export class Report {
  passed = 0;
  failed = 0;
  private readonly began = Date.now();

  /** One rule: whether it held, and what was seen. */
  check(name: string, ok: boolean, seen = ''): void {
    if (ok) this.passed++;
    else this.failed++;
    this.line(ok ? 'ok' : 'FAILED', name, ok ? seen.split('\n')[0] : seen);
  }

  /** Two texts that should be equal; the differing lines are shown, ours behind '-', the other behind '+'. */
  equal(name: string, ours: string, theirs: string): void {
    const differing = differences(ours, theirs);
    this.check(name, differing.length === 0, differing.length === 0 ? `${ours.split('\n').length} lines equal` : differing.join('\n'));
  }

  note(text: string): void {
    this.line('', text, '');
  }

  end(): void {
    process.stdout.write(`${this.passed} passed, ${this.failed} failed\n`);
  }

  private line(result: string, name: string, seen: string): void {
    const seconds = ((Date.now() - this.began) / 1000).toFixed(1).padStart(6);
    process.stdout.write(
      `${result.padEnd(7)}${seconds} s  ${seen === '' ? name : name.padEnd(76)}  ${seen.replaceAll('\n', '\n    ')}`.trimEnd() + '\n',
    );
  }
}

/** Lines of one text that the other does not have, each as often as it is missing. */
export function differences(ours: string, theirs: string): string[] {
  const rest = theirs.split('\n');
  const out: string[] = [];
  for (const line of ours.split('\n')) {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    else out.push(`- ${line}`);
  }
  return [...out, ...rest.map((l) => `+ ${l}`)];
}
