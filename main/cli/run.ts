// `ringscope run LAB`: the lab's own setup and script.
import { fixedLab } from '../../engine/index.ts';
import { Collector } from '../host/shell/streams.ts';
import { unmet } from '../host/expectations.ts';
import { startHeadless } from './headless.ts';
import { reportViolations } from './violations.ts';
import { parseRunOptions, readLab, UsageError } from './options.ts';

export async function run(args: readonly string[]): Promise<number> {
  const options = parseRunOptions(args);
  const [file] = options.positional;
  if (file === undefined || options.positional.length > 1) throw new UsageError('run needs one lab: ringscope run LAB');
  const given = readLab(file, options.seed, options.faults);
  const lab = options.fixed ? fixedLab(given) : given;
  const missed: string[] = [];
  const headless = await startHeadless(lab, options);
  let status = 0;
  try {
    for (const s of lab.script) {
      const said = new Collector();
      status = await headless.script(s.machine, '', s.run, said);
      missed.push(...unmet(s, said.text));
      if (status === 124) break;
    }
    // a lab without a script runs to the time limit, so that captures and recordings see what goes on by itself
    if (lab.script.length === 0 && options.until !== Infinity) await headless.runtime.runUntil(new Promise(() => undefined), options.until);
  } finally {
    await headless.finish();
  }
  return reportViolations(headless.runtime, lab, missed, status);
}
