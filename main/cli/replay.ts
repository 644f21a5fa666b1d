// `ringscope replay SESSION --verify`: re-executes a session and compares its state with every hash in the file.
import { Session } from '../../engine/index.ts';
import { readSession, SessionFileError } from '../host/recordings.ts';
import { UsageError } from './options.ts';

export function replay(args: readonly string[]): Promise<number> {
  const files = args.filter((a) => !a.startsWith('--'));
  const bad = args.find((a) => a.startsWith('--') && a !== '--verify');
  if (bad !== undefined) throw new UsageError(`${bad} is not an option of replay`);
  if (files.length !== 1) throw new UsageError('replay needs one session file: ringscope replay SESSION --verify');
  try {
    return Promise.resolve(verify(files[0]));
  } catch (e) {
    if (!(e instanceof SessionFileError)) throw e;
    process.stderr.write(`ringscope: ${e.message}\n`);
    return Promise.resolve(1);
  }
}

function verify(file: string): number {
  const recorded = readSession(file);
  const session = new Session(recorded.lab, recorded.log);
  const note = recorded.truncated ? ' (the file was cut off: verified as far as it goes)' : '';
  for (const mark of recorded.marks) {
    session.replayTo(mark.event);
    if (session.event !== mark.event) {
      process.stderr.write(
        `ringscope: ${file}: nothing more happens after event ${session.event}, but the recording goes on to event ${mark.event}\n`,
      );
      return 1;
    }
    const hash = session.hash();
    if (hash !== mark.hash) {
      process.stderr.write(
        `ringscope: ${file}: state differs at event ${mark.event} (${(mark.time / 1e9).toFixed(9)} s): recorded ${mark.hash}, replayed ${hash}\n`,
      );
      return 1;
    }
  }
  const last = recorded.marks.at(-1);
  if (last === undefined) {
    process.stderr.write(`ringscope: ${file}: holds ${recorded.log.length} inputs but no hash to compare with${note}\n`);
    return 1;
  }
  process.stdout.write(
    `${file}: ${recorded.log.length} inputs, ${last.event} events, ${recorded.marks.length} hashes equal, last ${last.hash}${note}\n`,
  );
  return 0;
}
