// The command line: `ringscope exec | run | check | serve | replay`.
import { check } from './check.ts';
import { exec } from './exec.ts';
import { packetdrill } from './packetdrill.ts';
import { replay } from './replay.ts';
import { run } from './run.ts';
import { serve } from './serve.ts';
import { UsageError } from './options.ts';
import { LabErrors } from '../host/labs.ts';

const USAGE = `usage:
  ringscope exec LAB MACHINE[/NETNS] [options] [-- COMMAND]   run a command, or a script on stdin, in simulated time
  ringscope run LAB [options]                                 run the lab's own setup and script
  ringscope check LAB [--file-only]                           validate a lab file, run it, and report what its drivers must not do
  ringscope serve [LAB] [--port N]                            open the workbench in a browser
  ringscope packetdrill FILE.pkt…                             run packetdrill scripts against the TCP of a machine
  ringscope replay SESSION --verify                           re-execute a recorded session and compare hashes
options of exec and run:
  --until TIME               stop at this simulated time (for example 30s)
  --seed N                   use this seed instead of the lab's
  --pcap MACHINE:IFACE=FILE  capture an interface (repeatable)
  --record FILE              record the session
  --fixed                    the lab without its variants of drivers and quirks of devices (also of check)
  --fault KIND@PLACE[,K=V…]  inject a fault (repeatable); in a machine's shell: ringscope fault
`;

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { exec, run, check, serve, replay, packetdrill };

export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    (name === undefined ? process.stderr : process.stdout).write(USAGE);
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    process.stderr.write(`ringscope: '${name}' is not a command\n${USAGE}`);
    return 2;
  }
  try {
    return await command(rest);
  } catch (e) {
    if (e instanceof LabErrors) {
      process.stderr.write(`${e.message}\n`);
      return 2;
    }
    if (e instanceof UsageError) {
      process.stderr.write(`ringscope: ${e.message}\n`);
      return 2;
    }
    throw e;
  }
}
